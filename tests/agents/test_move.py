"""CircleSquare: its scenes, the crop it is looked at through, how far looks go, who can do it."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import AGENTS, Scripted
from hardattn.data import Split
from hardattn.distributions import Delta
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute
from hardattn.problem import SCENES
from hardattn.rollout import Decision, rollout, sample
from hardattn.scenes import Scenes, circle_square, fixed_scenes
from hardattn.sensors import Crop
from hardattn.tasks import Classify
from hardattn.training.metrics import TrainingMetrics
from hardattn.world import Observation, World

SPLIT = Split(torch.zeros(40, 1, 2, 2, dtype=torch.uint8), torch.zeros(40, dtype=torch.int64))


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes(count: int, seed: int = 0, **options: object) -> Scenes:
    return circle_square(SPLIT, torch.zeros(count, dtype=torch.int64), numbers(seed), **options)


def world(bonus: float = 0.0) -> World:
    return World(Crop(5, 5 / 28), Classify(2, each=True, bonus=bonus), 16, reach=0.2)


def slow(target: int, row: int, column: int, height: int, width: int) -> np.ndarray:
    """One scene, pixel by pixel."""
    image = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            away = math.sqrt((y - row) ** 2 + (x - column) ** 2)
            inside = away <= 4 if target == 1 else max(abs(y - row), abs(x - column)) <= 4
            shade = 1 if inside else 1 - away / math.sqrt(height**2 + width**2)
            image[y, x] = round(255 * shade)
    return image


@pytest.mark.parametrize("canvas", [28, (13, 30)])
def test_scenes_equal_the_slow_ones(canvas: int | tuple[int, int]) -> None:
    made = scenes(30, canvas=canvas)
    height, width = (canvas, canvas) if isinstance(canvas, int) else canvas
    generator = numbers(0)
    drawn = [torch.randint(n, (30, 1), generator=generator)[:, 0] for n in (2, height, width)]
    assert made.target.tolist() == drawn[0].tolist()
    for image, *what in zip(made.image[:, 0], *(each.tolist() for each in drawn), strict=True):
        assert np.array_equal(image.numpy(), slow(*what, height, width))


def test_the_box_is_around_what_is_white() -> None:
    made = scenes(300)
    white = made.image[:, 0] == 255
    cut = 0
    for mask, box in zip(white, made.box[:, 0], strict=True):
        row, column = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        edges = [column[0], row[0], column[-1] + 1, row[-1] + 1]
        assert ((box + 1) / 2 * 28).round(decimals=3).tolist() == [int(edge) for edge in edges]
        cut += bool((box.abs() == 1).any())
    assert 0 < cut < 300


def test_any_pixel_may_be_the_middle_and_either_shape_lie_there() -> None:
    made = scenes(40_000)
    assert SCENES["circle_square"].answers(("0", "1")) == ("square", "circle")
    assert abs(made.target.double().mean() - 0.5) < 4 * 0.5 / 200
    assert made.target.unique().tolist() == [0, 1]
    # A square is 81 pixels, a disc 49, but for what the border cuts off.
    areas = (made.image == 255).flatten(1).sum(1)
    assert areas[made.target == 0].max() == 81 and areas[made.target == 1].max() == 49
    whole = (made.box.abs() < 1).all(-1)[:, 0]
    chance = (18 / 28) ** 2
    assert abs(whole.double().mean() - chance) < 4 * math.sqrt(chance * (1 - chance)) / 200
    assert len(torch.unique(made.image.flatten(1), dim=0)) == 2 * 28 * 28


def test_the_field_says_where_and_not_what() -> None:
    """Off the 9 x 9 pixels around the middle, both shapes leave the same field."""
    made = scenes(2_000)
    seen: dict[bytes, list[int]] = {}
    for image, target, box in zip(made.image[:, 0], made.target, made.box[:, 0], strict=True):
        x0, y0, x1, y1 = ((box + 1) / 2 * 28).round().int().tolist()
        field = image.clone()
        field[y0:y1, x0:x1] = 0
        seen.setdefault(field.numpy().tobytes(), []).append(int(target))
    assert any(len(set(targets)) == 2 for targets in seen.values())
    assert len(seen) < 28 * 28 + 1


def test_a_crop_at_whole_pixels_is_that_crop() -> None:
    images = torch.randint(256, (3, 2, 9, 9), generator=numbers(1)).byte()
    crop = Crop(5, 5 / 9)
    for top, left in ((0, 0), (2, 3), (4, 1), (4, 4)):
        place = torch.tensor([[left / 2 - 1, top / 2 - 1]]).expand(3, 2)
        seen = crop.look(crop.open(images), place)
        wanted = images[:, :, top : top + 5, left : left + 5] / 255
        assert torch.allclose(seen, wanted, atol=1e-5)


def bilinear(image: Tensor, y: float, x: float) -> float:
    """The image at (x, y), in pixels from the centre of the first one; 0 outside."""
    total = 0.0
    for row in range(math.floor(y), math.floor(y) + 2):
        for column in range(math.floor(x), math.floor(x) + 2):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                total += share * float(image[row, column]) / 255
    return total


@pytest.mark.parametrize("size, cover", [(5, 5 / 14), (4, 0.3), (3, 1.0)])
def test_a_crop_equals_the_slow_one(size: int, cover: float) -> None:
    height, width = 14, 11
    images = torch.randint(256, (6, 1, height, width), generator=numbers(2)).byte()
    place = torch.empty(6, 2).uniform_(-1, 1, generator=numbers(3))
    place[0], place[1] = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 1.0])
    crop = Crop(size, cover)
    seen = crop.look(crop.open(images), place)
    for b in range(6):
        for i in range(size):
            for j in range(size):
                u, v = (2 * torch.tensor([j, i]) + 1) / size - 1
                x, y = (1 - cover) * place[b].double() + cover * torch.stack([u, v])
                row, column = (y + 1) / 2 * height - 0.5, (x + 1) / 2 * width - 0.5
                wanted = bilinear(images[b, 0], float(row), float(column))
                assert seen[b, 0, i, j].item() == pytest.approx(wanted, abs=2e-5)


def test_a_crop_never_leaves_the_image_and_always_shows_its_place() -> None:
    white = torch.full((400, 1, 28, 28), 255, dtype=torch.uint8)
    place = torch.empty(400, 2).uniform_(-1, 1, generator=numbers(0)).mul(1.3).clamp(-1, 1)
    crop = Crop(5, 5 / 28)
    assert (crop.look(crop.open(white), place) > 1 - 1e-5).all()
    left, right = (1 - 5 / 28) * place - 5 / 28, (1 - 5 / 28) * place + 5 / 28
    assert (left <= place + 1e-6).all() and (place <= right + 1e-6).all()


@pytest.mark.parametrize("size, cover", [(0, 0.5), (5, 0.0), (5, 1.1)])
def test_crops_that_are_none(size: int, cover: float) -> None:
    with pytest.raises(ValueError, match="a crop needs"):
        Crop(size, cover)


def test_a_look_reaches_no_further_than_the_reach_in_any_direction() -> None:
    here = world()
    before = torch.empty(500, 2).uniform_(-1, 1, generator=numbers(0))
    asked = torch.empty(500, 2).uniform_(-1.5, 1.5, generator=numbers(1))
    place = here.place(asked, before)
    way, wish = place - before, asked.clamp(-1, 1) - before
    assert way.norm(dim=1).max() <= 0.2 + 1e-6
    assert place.abs().max() <= 1
    near = wish.norm(dim=1) <= 0.2
    assert torch.allclose(place[near], asked.clamp(-1, 1)[near], atol=1e-6) and near.any()
    # Otherwise it falls on the way there.
    far = ~near
    assert torch.allclose(way[far].norm(dim=1), torch.tensor(0.2))
    towards = wish[far] / wish[far].norm(dim=1, keepdim=True)
    assert torch.allclose(way[far] / 0.2, towards, atol=1e-5)
    assert torch.equal(here.place(before, before), before)


def test_the_looks_of_an_episode_are_those_of_the_world() -> None:
    here, some = world(), scenes(50)
    agent = AGENTS["move_ram"].make((1, 5, 5), 2, hidden=8, what=8, where=8, std=0.3)
    path = rollout(agent, here, some, sample, numbers(0))
    place = here.path(path.location)
    assert (place[1:] - place[:-1]).norm(dim=-1).max() <= 0.2 + 1e-6
    assert ((path.location[1:] - place[:-1]).norm(dim=-1) > 0.25).any()
    # The first look is uniform over all that may be looked at.
    first = here.first(scenes(10_000), numbers(1))
    assert abs(first.abs().mean() - 0.5) < 0.02 and first.abs().max() <= 1


class Climber(nn.Module):
    """Goes up the slope of what it sees; where there is none, it stays. Answers at random."""

    def start(self, context: Tensor) -> Tensor:
        return context

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        glimpse, steps = seen.glimpse[:, 0], torch.arange(5.0) - 2
        slope = torch.stack([(glimpse * steps).sum((1, 2)), (glimpse.mT * steps).sum((1, 2))], 1)
        move = 0.2 * slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-3)
        place, nought = Delta(seen.location + move), torch.zeros(len(glimpse))
        return state, Decision(place, torch.zeros(len(glimpse), 2), nought, nought)


def test_whoever_goes_up_the_slope_finds_the_shape() -> None:
    columns = evaluate(Climber(), world(), scenes(2_000))
    assert columns.hit.any(1).double().mean() > 0.99
    still = evaluate(Scripted(Climber(), "centre", 16), world(), scenes(2_000))
    assert still.hit.any(1).double().mean() < 0.5


@pytest.mark.parametrize("name", ["learned_baseline", "leave_one_out", "ppo", "pathwise"])
def test_every_way_of_learning_goes_through(name: str) -> None:
    here, some = world(bonus=float(name != "pathwise")), scenes(12)
    torch.manual_seed(0)
    agent = AGENTS["move_ram"].make((1, 5, 5), 2, hidden=8, what=8, where=8, joint=True)
    loss = ESTIMATORS[name].make(agent, here, some, numbers(0))
    loss.total.backward()
    tally = TrainingMetrics(torch.device("cpu"))
    tally.add(loss, torch.zeros(()), some, here)
    assert all(math.isfinite(value) for value in tally.means().values())
    assert agent.locator.weight.grad.abs().max() > 0
    found = compute(evaluate(agent, here, some))
    assert len(found["error_after"]) == 16 and found["error_after"][-1] == found["error"]


def test_moves_begin_where_one_looks() -> None:
    torch.manual_seed(0)
    agent = AGENTS["move_ram"].make((1, 5, 5), 2, reach=0.2, std=0.1, hidden=8, what=8, where=8)
    glimpse = torch.rand(40, 1, 5, 5, generator=numbers(0))
    place = torch.empty(40, 2).uniform_(-1, 1, generator=numbers(1))
    _, decision = agent.step(agent.start(place), Observation(glimpse, place, place[:, 0]))
    assert ((decision.location.mean - place).abs() <= 0.2).all()
    assert torch.equal(decision.location.stddev, torch.full((40, 2), 0.1))


def test_a_faint_slope_is_seen_like_a_steep_one() -> None:
    """Light and contrast change nothing, until there is less of it than counts."""
    torch.manual_seed(0)
    agent = AGENTS["move_ram"].make((1, 5, 5), 2, hidden=8, what=8, where=8)
    place = torch.zeros(1, 2)

    def answer(glimpse: Tensor) -> Tensor:
        seen = Observation(glimpse, place, place[:, 0])
        return agent.step(agent.start(place), seen)[1].logits

    slope = torch.linspace(-0.5, 0.5, 5).expand(1, 1, 5, 5)
    assert torch.allclose(answer(0.5 + slope), answer(0.3 + 0.6 * slope), atol=2e-3)
    other = answer(0.5 + slope.mT)
    assert not torch.allclose(answer(0.5 + slope), other, atol=2e-2)
    nothing = answer(torch.full((1, 1, 5, 5), 0.7))
    assert torch.allclose(answer(0.7 + 1e-4 * slope), nothing, atol=2e-3)


def test_pathwise_each_look_is_led_by_all_that_came_before() -> None:
    """The last answer alone moves the first step: places are sums of steps."""
    here, some = world(), scenes(20)
    torch.manual_seed(0)
    agent = AGENTS["move_ram"].make((1, 5, 5), 2, hidden=8, what=8, where=8, joint=True)
    steps: list[Tensor] = []

    def noted(places: object, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        value = places.draw(generator)  # type: ignore[attr-defined]
        value.retain_grad()
        steps.append(value)
        return value, value.new_zeros(len(value))

    path = rollout(agent, here, some, noted, numbers(0))
    path.logits[-1].square().sum().backward()
    assert len(steps) == 15
    assert all(step.grad.abs().max() > 0 for step in steps)


def theirs(count: int) -> tuple[object, dict[str, np.ndarray], Tensor, Tensor]:
    """Their environments after a reset, what is seen there, their images as ours, and labels."""
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("ap_gym")
    env = gymnasium.make_vec("CircleSquare-v0", num_envs=count)
    seen, info = env.reset(seed=0)
    images = torch.from_numpy(env.unwrapped.image_perception_module.current_images)
    return env, seen, (255 * images).round().byte().permute(0, 3, 1, 2), info["index"] % 2


def test_step_by_step_it_is_the_circle_square_of_ap_gym() -> None:
    """Same image and moves: same places, glimpses to the rounding of pixels, and losses."""
    env, seen, images, labels = theirs(12)
    here, rng = world(), np.random.default_rng(0)
    target = torch.as_tensor(labels).long()
    view = here.open(Scenes(images, target, torch.zeros(12, 1, 4), target))
    place = here.place(torch.from_numpy(seen["glimpse_pos"]))
    said, charged = [], []
    for look in range(16):
        ours = here.observe(view, place, look)
        assert np.allclose(ours.location, seen["glimpse_pos"], atol=2e-6)
        assert np.allclose(2 * ours.step - 1, seen["time_step"])
        assert np.abs(ours.glimpse[:, 0].numpy() - seen["glimpse"][..., 0]).max() < 0.5 / 255 + 1e-5
        action = rng.uniform(-1, 1, (12, 2)).astype(np.float32)
        logits = rng.normal(size=(12, 2)).astype(np.float32)
        seen, reward, ended, _, _ = env.step({"action": action, "prediction": logits})
        said.append(logits)
        charged.append(-reward - 1e-3 * np.linalg.norm(action, axis=1))
        way = torch.from_numpy(action)
        way = way / way.norm(dim=1, keepdim=True).clamp_min(1)
        place = here.place(place + 0.2 * way, place)
    assert ended.all()
    final = torch.zeros(16, 12)
    final[-1] = 1
    _, loss = here.outcome(view, torch.from_numpy(np.stack(said)), target, final)
    # Theirs is in units of a coin's entropy, and not averaged over looks.
    assert np.allclose(16 * loss / math.log(2), np.stack(charged), atol=1e-5)
    env.close()


def test_its_scenes_are_those_of_ap_gym() -> None:
    pytest.importorskip("ap_gym")
    from ap_gym.envs.image import CircleSquareDataset

    dataset = CircleSquareDataset()
    dataset.load()
    known = {}
    for index in range(len(dataset)):
        image, label = dataset[index]
        known[np.round(255 * np.float64(image[..., 0])).astype(np.uint8).tobytes()] = int(label)
    assert len(known) == 1568
    made = scenes(3_000)
    for image, target in zip(made.image[:, 0], made.target, strict=True):
        assert known[image.numpy().tobytes()] == int(target)


def test_frozen_scenes_are_the_same_for_everyone() -> None:
    once, again = (fixed_scenes(circle_square, SPLIT, 1, 3) for _ in range(2))
    assert len(once) == 120
    assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))
