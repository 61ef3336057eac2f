"""Catch against games played slowly, one at a time; and through all that learns or measures."""

import json
import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import AGENTS, Player, Scripted
from hardattn.catch import Catch, Game, catch
from hardattn.data import Split
from hardattn.distributions import Categorical, Delta, Gaussian, Product, Uniform
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import compute
from hardattn.rollout import Decision, branched, greedy, rollout, sample
from hardattn.scenes import Scenes, fixed_scenes
from hardattn.sensors import Cells, Crop, Retina
from hardattn.training.metrics import TrainingMetrics
from hardattn.world import Observation, World

SPLIT = Split(torch.zeros(40, 1, 2, 2, dtype=torch.uint8), torch.zeros(40, dtype=torch.int64))


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def games(count: int, seed: int = 0, canvas: int = 24) -> Scenes:
    return catch(SPLIT, torch.zeros(count, dtype=torch.int64), numbers(seed), canvas=canvas)


def player(**options: object) -> Player:
    torch.manual_seed(0)
    return Player((3, 6, 6), 2, hidden=12, what=9, where=7, core="gru", **options)


class Slow:
    """One game, a pixel at a time."""

    def __init__(self, start: float, slope: float, paddle: int):
        self.x, self.slope, self.y, self.paddle = start, slope, 0, paddle

    def step(self, action: int) -> None:
        self.paddle = min(max(self.paddle + action, 0), 22)
        self.x, self.y = self.x + self.slope, self.y + 1
        if self.x < 0:
            self.x, self.slope = -self.x, -self.slope
        if self.x > 24:
            self.x, self.slope = 48 - self.x, -self.slope

    @property
    def column(self) -> int:
        return min(int(self.x), 23)

    def screen(self) -> Tensor:
        screen = torch.zeros(24, 24, dtype=torch.uint8)
        screen[23, self.paddle] = screen[23, self.paddle + 1] = 255
        screen[self.y, self.column] = 255
        return screen

    @property
    def caught(self) -> bool:
        return self.y == 23 and self.column in (self.paddle, self.paddle + 1)


def slow_games(count: int, seed: int = 0) -> list[Slow]:
    generator = numbers(seed)
    start = torch.empty(count, 1).uniform_(0, 24, generator=generator)
    slope = torch.empty(count, 1).uniform_(-1, 1, generator=generator)
    paddle = torch.randint(23, (count, 1), generator=generator)
    rows = zip(start.tolist(), slope.tolist(), paddle.tolist(), strict=True)
    return [Slow(a[0], b[0], c[0]) for a, b, c in rows]


def test_games_equal_the_slow_ones() -> None:
    count = 300
    world, scenes, slow = Catch(Retina(24)), games(count), slow_games(count)
    view = world.open(scenes)
    actions = torch.randint(-1, 2, (23, count), generator=numbers(5))
    middle = torch.zeros(count, 2)
    bounced = sum(not 0 <= game.x + 23 * game.slope <= 24 for game in slow)
    for look in range(24):
        seen = world.observe(view, torch.cat([middle, torch.zeros(count, 1)], 1), look)
        screens = torch.stack([game.screen() for game in slow])
        assert torch.equal((255 * seen.glimpse[:, 0]).round().byte(), screens)
        box = torch.tensor([[game.column, game.y] for game in slow]) / 12 - 1
        assert torch.allclose(scenes.box[:, look, :2], box, atol=1e-6)
        if look == 0:
            assert torch.equal(scenes.image[:, 0], screens)
        if look < 23:
            place = world.place(torch.cat([middle, actions[look, :, None].float()], 1))
            view = world.advance(view, place)
            for game, action in zip(slow, actions[look].tolist(), strict=True):
                game.step(action)
    assert view.caught.tolist() == [game.caught for game in slow]
    assert 0 < view.caught.sum() < count and bounced > count / 5
    assert {game.paddle for game in slow} >= {0, 22}


def test_a_third_of_all_numbers_is_each_action() -> None:
    world = Catch(Retina(6, 3))
    asked = torch.tensor([-9.0, -1, -0.34, -0.33, 0, 0.33, 0.34, 1, 9, math.nan])
    place = world.place(torch.stack([asked, asked, asked], 1))
    assert place[:, 2].tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 0]
    assert torch.equal(place[:, :2], asked[:, None].expand(-1, 2).nan_to_num(0).clamp(-1, 1))
    assert torch.equal(world.place(place), place)
    near = Catch(Retina(6, 3), reach=0.1)
    before = torch.zeros(10, 3)
    moved = near.place(place, before)
    assert moved[:, :2].norm(dim=1).max() <= 0.1 + 1e-6
    assert torch.equal(moved[:, 2], place[:, 2])


class Perfect(nn.Module):
    """Knows where each ball comes down and where its paddle is, and goes there. Looks anywhere."""

    def __init__(self, scenes: Scenes):
        super().__init__()
        game = Catch(Retina(6, 3)).open(scenes)
        self.down, self.paddle = game.flight[:, -1], game.paddle

    def start(self, context: Tensor) -> Tensor:
        return self.paddle

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        action = (self.down - state).clamp(-1, 1)
        action = action.where((self.down - state != 1), 0)  # its right pixel is there already
        nought = torch.zeros(len(state))
        place = torch.cat([torch.zeros(len(state), 2), action[:, None].float()], 1)
        return state + action, Decision(Delta(place), torch.zeros(len(state), 2), nought, nought)


def test_who_knows_catches_every_ball() -> None:
    scenes = games(3_000)
    columns = evaluate(Perfect(scenes), Catch(Retina(6, 3)), scenes, batch=3_000)
    assert columns.correct[:, -1].all() and not columns.correct[:, :-1].any()
    assert compute(columns)["error"] == 0
    # A look later would be too late for some.
    late = Perfect(scenes)
    late.down = (late.down + 2).clamp(max=23)
    assert compute(evaluate(late, Catch(Retina(6, 3)), scenes, batch=3_000))["error"] > 0.9


class Careless(nn.Module):
    """Anywhere, and anything."""

    def start(self, context: Tensor) -> Tensor:
        return context

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        nought = torch.zeros_like(seen.step)
        return state, Decision(Uniform(seen.step, 3), torch.zeros(len(nought), 2), nought, nought)


def slow_share(count: int) -> float:
    generator, won = numbers(8), 0
    actions = torch.randint(-1, 2, (count, 23), generator=generator).tolist()
    for game, moves in zip(slow_games(count, seed=9), actions, strict=True):
        for move in moves:
            game.step(move)
        won += game.caught
    return won / count


def test_who_plays_at_random_catches_the_share_that_chance_does() -> None:
    scenes = games(6_000, seed=1)
    error = compute(evaluate(Careless(), Catch(Retina(6, 3)), scenes))["error"]
    chance = slow_share(6_000)
    assert 0.07 < chance < 0.1
    assert abs(1 - error - chance) < 4 * math.sqrt(2 * chance * (1 - chance) / 6_000)


def test_the_reward_comes_with_the_ball() -> None:
    scenes = games(200)
    world = Catch(Retina(6, 3))
    path = rollout(Careless(), world, scenes, sample, numbers(0))
    assert (path.reward[:-1] == 0).all() and (path.loss == 0).all()
    won = path.reward[-1]
    assert won.unique().tolist() == [0, 1]
    assert torch.equal(path.logits.argmax(-1)[-1], won.long())
    assert (path.logits[:-1] == 0).all()
    # Who ends before the ball is down wins nothing.
    early = rollout(Careless(), world.upto(20), scenes, sample, numbers(0))
    assert early.reward.shape == (20, 200) and (early.reward == 0).all()


def test_what_a_step_is_worth_does_not_wait_for_later_ones() -> None:
    """As an environment asks: after each look, with the rows so far and the game as it is."""
    scenes, world, agent = games(60), Catch(Retina(6, 3)), player()
    path = rollout(agent, world, scenes, sample, numbers(3))
    view, place = world.open(scenes), world.place(path.location[0])
    logits, final = torch.zeros(24, 60, 2), torch.zeros(24, 60)
    for look in range(24):
        final[look] = float(look == 23)
        reward, loss = world.outcome(view, logits[: look + 1], scenes.target, final[: look + 1])
        assert torch.equal(reward[-1], path.reward[look]) and (loss == 0).all()
        if look < 23:
            place = world.place(path.location[look + 1], place)
            view = world.advance(view, place)


def test_a_game_can_be_gone_on_with_in_several_ways() -> None:
    scenes, world = games(5), Catch(Retina(6, 3))
    view = world.open(scenes)
    twice = branched(view, 2)
    assert isinstance(twice, Game) and twice.flight.shape == (10, 24)
    both = world.advance(twice, torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]).repeat(5, 1))
    assert ((both.paddle[1::2] - both.paddle[::2]) > 0).all()
    agent = player()
    four = ESTIMATORS["leave_one_out"].make(agent, world, scenes, numbers(0), samples=4)
    assert four.path.reward.shape[1] == 20


@pytest.mark.parametrize(
    "name", ["reinforce", "learned_baseline", "self_critical", "a2c", "ppo", "leave_one_out"]
)
def test_what_was_won_reaches_eye_paddle_and_core(name: str) -> None:
    scenes, world, agent = games(60), Catch(Retina(6, 3)), player()
    loss = ESTIMATORS[name].make(agent, world, scenes, numbers(0))
    loss.total.backward()
    for part in (agent.actor, agent.locator, agent.glimpse.what):
        assert part.weight.grad.abs().max() > 0
    assert agent.classifier.weight.grad is None
    tally = TrainingMetrics(torch.device("cpu"))
    tally.add(loss, torch.zeros(()), scenes, world)
    means = tally.means()
    assert means["correct"] == pytest.approx(means["reward"]) and means["loss"] == 0


def test_its_columns_are_figures_and_json() -> None:
    columns = evaluate(player(), Catch(Retina(6, 3)), games(50))
    assert isinstance(columns, Columns) and columns.location.shape == (50, 24, 2)
    found = compute(columns)
    assert found["error_after"][:-1] == [1.0] * 23
    json.dumps(found, allow_nan=False)


def test_what_random_eyes_cost_and_not_random_play() -> None:
    """Under a script only the eye is somebody else's."""
    scenes, world, agent = games(80), Catch(Retina(6, 3)), player()
    path = rollout(Scripted(agent, "random", 24), world, scenes, greedy, numbers(0))
    action = path.location[1:, :, 2]
    assert set(action.unique().tolist()) <= {-1.0, 0.0, 1.0}
    eyes = path.location[1:, :, :2]
    assert abs(eyes.std() - math.sqrt(1 / 3)) < 0.02
    # The most probable action of the very agent, given what it was shown.
    view, place = world.open(scenes), world.place(path.location[0])
    state = agent.start(world.context(scenes))
    for look in range(23):
        state, decision = agent.step(state, world.observe(view, place, look))
        assert torch.equal(decision.location.mode[:, 2], action[look])
        place = world.place(path.location[look + 1], place)
        view = world.advance(view, place)


def test_both_is_one_next_to_the_other() -> None:
    mean, logits = torch.randn(7, 2, generator=numbers(0)), torch.randn(7, 3, generator=numbers(1))
    actions = torch.tensor([[-1.0], [0.0], [1.0]])
    eye, hand = Gaussian(mean, 0.3), Categorical(logits, actions)
    both = Product(eye, hand)
    assert both.event_shape == (3,) and both.batch_shape == (7,) and not both.has_rsample
    assert Product(eye, eye).has_rsample
    value = both.draw(numbers(2))
    again = numbers(2)
    assert torch.equal(value, torch.cat([eye.draw(again), hand.draw(again)], 1))
    chosen = logits.log_softmax(1).gather(1, 1 + value[:, 2:].long())[:, 0]
    wanted = eye.log_prob(value[:, :2]) + chosen
    assert torch.allclose(both.log_prob(value), wanted)
    assert torch.allclose(both.entropy(), eye.entropy() + hand.entropy())
    assert torch.equal(both.mode, torch.cat([mean, actions[logits.argmax(1)]], 1))
    assert torch.allclose(both.mean[:, 2], logits.softmax(1) @ actions[:, 0])
    # Where one of them has no mode it is drawn, and the other is not.
    half = Product(Uniform(mean[:, 0]), hand)
    with pytest.raises(NotImplementedError):
        _ = half.mode
    drawn, _ = greedy(half, numbers(3))
    assert torch.equal(drawn[:, :2], Uniform(mean[:, 0]).draw(numbers(3)))
    assert torch.equal(drawn[:, 2], both.mode[:, 2])
    assert half.log_prob(drawn).isfinite().all()


def test_the_player_is_ram_with_a_hand() -> None:
    torch.manual_seed(0)
    agent = AGENTS["player"].make((3, 6, 6), 2)
    ram = AGENTS["ram"].make((3, 6, 6), 2)
    more = sum(w.numel() for w in agent.parameters()) - sum(w.numel() for w in ram.parameters())
    assert more == 128 + 3 * 256 + 3  # one more number of the place, and the softmax


def test_places_are_a_point_and_an_action() -> None:
    for sensor in (Retina(6, 3), Crop(6, 0.25)):
        world = Catch(sensor)
        assert world.places == 3 and world.changes and not World.changes
        scenes = games(4)
        first = world.first(scenes, numbers(0))
        assert first.shape == (4, 3) and (first[:, 2] == 0).all()
        path = rollout(Careless(), world, scenes)
        assert world.point(world.path(path.location)).shape == (24, 4, 2)
    with pytest.raises(ValueError, match="points"):
        Catch(Cells(3, 3))
    with pytest.raises(ValueError, match="a game of 12 looks"):
        Catch(Retina(6, 3), looks=12).open(games(2))
    small = Catch(Retina(6, 2), looks=12)
    assert small.open(games(2, canvas=12)).flight.shape == (2, 12)


def test_games_are_drawn_evenly_and_frozen_alike() -> None:
    scenes = games(8_000)
    assert (scenes.target == 1).all()
    start = scenes.box[:, 0, 0]
    counts = torch.bincount(((start + 1) * 12).round().long(), minlength=24)
    expected = 8_000 / 24
    assert ((counts - expected) ** 2 / expected).sum() < 50  # 23 degrees of freedom, p = 0.001
    paddle = torch.bincount(Catch(Retina(6, 3)).open(scenes).paddle, minlength=23)
    assert len(paddle) == 23 and ((paddle - 8_000 / 23) ** 2 / (8_000 / 23)).sum() < 50
    once, again = (fixed_scenes(partial(catch, canvas=24), SPLIT, 1, 2) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))
