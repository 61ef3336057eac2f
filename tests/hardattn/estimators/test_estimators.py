"""Every estimator against the exact gradient, and planted bugs that the same tests must catch."""

import inspect
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM, Scripted, ShowAttendTell, Variational
from hardattn.distributions import Places
from hardattn.estimators import BIASED, ESTIMATORS, Loss, pathwise, reinforce
from hardattn.estimators.actor_critic import generalised_advantage
from hardattn.estimators.score_function import credit, surrogate
from hardattn.estimators.variational import Guided
from hardattn.rollout import greedy, rollout, sample, soft
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, GaussianWindow, Patches, Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.exact import (
    Tiny,
    enumerate_episodes,
    exact_gradient,
    exact_moments,
    flat_gradient,
    support,
)

Setting = tuple[Tiny, World]
CLASSES = 3
UNBIASED = 5.0  # standard errors; the largest of ~100 weights exceeds it once in 20,000 seeds
CAUGHT = 8.0
# Tested with the agents that have what they need, and what that is.
OF_FEATURES = {"self_critical_attention": "features", "gat_cluster": "answer without attention"}
GUIDED = (
    *("variational_enumerated", "variational_sampled", "variational_pathwise"),
    *("variational_gumbel", "wake_sleep"),
)

# How far each estimator reaches. What is not listed takes any number of draws of any kind.
ONE_DRAW = dict.fromkeys(("unordered_set", "rebar", "relax"), "cells")
ONE_DRAW.update(dict.fromkeys(("arm", "disarm"), "mask"))
RELAXED = ("gumbel_softmax", "straight_through", "variational_gumbel")
CHOICES_ONLY = (*RELAXED, "enumerated", "marginal_likelihood")
SMOOTH = ("pathwise", "soft_attention", "variational_pathwise")
NO_REWARD = (*SMOOTH, *RELAXED, "marginal_likelihood", "vimco", "reweighted_wake_sleep")


@pytest.fixture
def scenes() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, 1, 4, 4), generator=generator, dtype=torch.uint8)
    box = torch.tensor([-1.0, -1.0, 0.0, 0.0]).expand(3, 1, 4)
    return Scenes(image, torch.arange(3), box, torch.arange(3))


def points(each: bool = True, halts: bool = False, looks: int = 3, bonus: float = 0.7) -> Setting:
    """Three looks at four quadrants: sixteen episodes a scene, with cost, loss and reward."""
    torch.manual_seed(1)
    world = World(Retina(2), Classify(CLASSES, each, bonus=bonus), looks, first="centre")
    return Tiny(4, CLASSES, "points", halts), world


def cells(bonus: float = 0.0, looks: int = 2, each: bool = False) -> Setting:
    """Two looks through weights over four cells: hard where one-hot, soft where not."""
    torch.manual_seed(6)
    world = World(Cells(2, 2), Classify(CLASSES, each, bonus=bonus), looks, first="centre")
    return Tiny(4, CLASSES, "cells"), world


def patches(bonus: float = 0.7) -> Setting:
    """Two looks at an image of which a mask of four patches is shown."""
    torch.manual_seed(7)
    world = World(Patches(2, 2), Classify(CLASSES, bonus=bonus), 2, first="centre")
    return Tiny(16, CLASSES, "mask"), world


class Blind(GaussianWindow):
    """A smooth sensor that no gradient passes, so that only the score function can learn."""

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return super().look(view, place.detach())


def plane(sensor: GaussianWindow, bonus: float = 0.7) -> Setting:
    """Two looks, the second drawn from a Gaussian: the expectation is an integral over a plane."""
    torch.manual_seed(2)
    world = World(sensor, Classify(CLASSES, each=True, bonus=bonus), 2, first="centre")
    return Tiny(4, CLASSES, "gaussian"), world


def weights() -> Setting:
    """Two looks, the second through drawn weights over two cells: an integral over a line."""
    torch.manual_seed(3)
    world = World(Cells(1, 2), Classify(CLASSES), 2, first="centre")
    return Tiny(8, CLASSES, "weights"), world


def make(name: str, agent: nn.Module, world: World, **options: object) -> Callable[..., Loss]:
    """The estimator of that name; a module is made, and keeps still."""
    one = ESTIMATORS[name]
    if inspect.isclass(one):
        return one(agent, world, **options).eval()
    return partial(one, **options)


def estimates(
    estimator: Callable[..., Loss],
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    calls: int,
    copies: int,
    seed: int = 3,
) -> Tensor:
    """(calls, weights)."""
    generator = torch.Generator().manual_seed(seed)
    many = scenes.repeat(copies)
    return torch.stack(
        [flat_gradient(agent, estimator(agent, world, many, generator).total) for _ in range(calls)]
    )


def z_scores(
    estimator: Callable[..., Loss],
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    exact: Tensor,
    calls: int = 200,
    copies: int = 64,
) -> Tensor:
    """(weights,): how many standard errors the mean estimate is from the exact gradient."""
    found = estimates(estimator, agent, world, scenes, calls, copies)
    error = found.std(0) / calls**0.5
    noiseless = error < 1e-7
    assert torch.allclose(found.mean(0)[noiseless], exact[noiseless], atol=1e-5)
    return ((found.mean(0) - exact) / error)[~noiseless]


ANY = [name for name in ESTIMATORS if name not in (*BIASED, *ONE_DRAW, *SMOOTH, *CHOICES_ONLY)]


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("each", [True, False], ids=["each look", "last look"])
def test_unbiased_by_enumeration(name: str, each: bool, scenes: Scenes) -> None:
    agent, world = points(each)
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(make(name, agent, world), agent, world, scenes, exact)
    assert len(z) > 50
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("name", ANY)
def test_unbiased_when_the_agent_decides_to_stop(name: str, scenes: Scenes) -> None:
    agent, world = points(each=False, halts=True)
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(make(name, agent, world), agent, world, scenes, exact)
    assert z.abs().max() < UNBIASED
    stop = flat_gradient(agent, agent.stop(torch.ones(1, 4)).sum())
    assert exact[stop != 0].abs().max() > 1e-3  # stopping is learned at all


@pytest.mark.parametrize("name", [*ANY, "pathwise"])
def test_unbiased_by_quadrature(name: str, scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2, sigma=0.8), bonus=0.0 if name == "pathwise" else 0.7)
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(make(name, agent, world), agent, world, scenes, exact)
    assert z.abs().max() < UNBIASED


def test_drawn_weights_are_differentiated_without_bias(scenes: Scenes) -> None:
    agent, world = weights()
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(ESTIMATORS["pathwise"], agent, world, scenes, exact)
    assert len(z) > 50
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("name", list(ONE_DRAW))
def test_unbiased_for_one_draw(name: str, scenes: Scenes) -> None:
    agent, world = cells() if ONE_DRAW[name] == "cells" else patches()
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(make(name, agent, world), agent, world, scenes, exact)
    assert len(z) > 50
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("setting", [points, cells, patches, partial(points, False, True)])
def test_enumeration_is_exact(setting: Callable[..., Setting], scenes: Scenes) -> None:
    agent, world = setting()
    loss = ESTIMATORS["enumerated"](agent, world, scenes)
    exact = exact_gradient(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-5)


def test_enumeration_refuses_too_many_episodes_and_places_without_number(scenes: Scenes) -> None:
    agent, world = points()
    with pytest.raises(ValueError, match="16 episodes"):
        ESTIMATORS["enumerated"](agent, world, scenes, limit=15)
    agent, world = plane(GaussianWindow(2))
    with pytest.raises(ValueError, match="too many values"):
        ESTIMATORS["enumerated"](agent, world, scenes)


@pytest.mark.parametrize("halts, wanted", [(False, [3, 12, 48]), (True, [3, 24, 192])])
def test_enumeration_computes_what_episodes_share_once(
    halts: bool, wanted: list[int], scenes: Scenes
) -> None:
    """Of three scenes and four places the second look is one of 12, and the third one of 48."""
    agent, world = points(each=False, halts=halts)
    stepped: list[int] = []
    agent.core.register_forward_hook(lambda net, given, made: stepped.append(len(made)))
    path = ESTIMATORS["enumerated"](agent, world, scenes).path
    assert stepped == wanted and path.alive.shape == (3, wanted[-1])


def attending(name: str) -> tuple[nn.Module, World]:
    """An agent that encodes the whole image before it looks at one of four cells, then another."""
    torch.manual_seed(8)
    looks = 2 if name == "variational" else 3
    world = World(Cells(2, 2), Classify(CLASSES), looks, first="centre", context="whole")
    options = dict(context=(1, 4, 4), features=8, hidden=8)
    if name == "variational":
        return Variational((1, 2, 2), CLASSES, **options), world
    agent = ShowAttendTell((1, 2, 2), CLASSES, looks=looks, doubly=0.1, **options)
    return agent if name == "show" else Scripted(agent, "raster", looks, world.sensor), world


@pytest.mark.parametrize("name", ["variational", "show", "scripted"])
def test_enumeration_branches_whatever_an_agent_carries(name: str, scenes: Scenes) -> None:
    agent, world = attending(name)
    loss = ESTIMATORS["enumerated"](agent, world, scenes)
    if name == "scripted":
        path = rollout(agent, world, scenes)
        exact = flat_gradient(agent, (path.loss + path.cost).sum(0).mean())
    else:
        exact = exact_gradient(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-6)


@pytest.mark.parametrize(
    "name, whose",
    [
        ("enumerated", "variational"),
        ("enumerated", "show"),
        ("marginal_likelihood", "variational"),
        ("marginal_likelihood", "show"),
        ("variational_enumerated", "variational"),
    ],
)
def test_enumeration_encodes_each_image_once(name: str, whose: str, scenes: Scenes) -> None:
    agent, world = attending(whose)
    encoded: list[int] = []
    agent.encoder.register_forward_hook(lambda net, given, made: encoded.append(len(made)))
    loss = ESTIMATORS[name](agent, world, scenes)
    assert encoded == [len(scenes)]
    assert loss.path.loss.shape[1] == len(scenes) * 4 ** (world.looks - 1)


def test_a_world_cut_short_shows_the_same_first_looks(scenes: Scenes) -> None:
    agent, world = points()
    copies = scenes.repeat(20)
    whole, part, faster = (
        rollout(agent, each, copies, sample, generator_of(0))
        for each in (world, world.upto(2), points(looks=2)[1])
    )
    for field in ("location", "log_prob", "entropy", "logits", "value", "cost"):
        assert torch.equal(getattr(part, field), getattr(whole, field)[:2]), field
    # What is asked is asked within two looks, not three.
    assert torch.allclose(part.loss, whole.loss[:2] * 3 / 2)
    assert torch.equal(faster.logits[0], part.logits[0])
    assert not torch.allclose(faster.logits[1], part.logits[1])  # this agent reads the clock
    for looks in (0, 4):
        with pytest.raises(ValueError, match=f"of 3 looks cannot end after {looks}"):
            world.upto(looks)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in (*ONE_DRAW, *OF_FEATURES)])
def test_takes_part_in_a_curriculum_of_looks(name: str, scenes: Scenes) -> None:
    """An estimator made for three looks learns from one, then from two, then from all."""
    agent, world = plane(GaussianWindow(2), bonus=0.0)
    if name not in (*ANY, *SMOOTH):
        agent, world = cells()
    whole = World(world.sensor, world.task, 3, first="centre")
    estimator = make(name, agent, whole)
    for looks in (1, 2, 3):
        loss = estimator(agent, whole.upto(looks), scenes, generator_of(0))
        assert loss.total.isfinite() and len(loss.path.loss) == len(loss.advantage) == looks
        assert flat_gradient(agent, loss.total).abs().max() > 0


# Biased estimators: each against what it says that it is the gradient of.


def likelihood(agent: Tiny, world: World, scenes: Scenes) -> tuple[Tensor, Tensor]:
    """(B, E) probability of each episode and exp(-loss - cost) of it."""
    path, probability = enumerate_episodes(agent, world, scenes)
    fit = (-(path.loss + path.cost).sum(0)).exp()
    return probability.unflatten(0, (len(scenes), -1)), fit.unflatten(0, (len(scenes), -1))


def bias(name: str, exact: Tensor, setting: Setting, scenes: Scenes, **options: object) -> float:
    """Distance of the mean estimate from `exact`, relative to it."""
    agent, world = setting
    found = estimates(make(name, agent, world, **options), agent, world, scenes, 120, 32).mean(0)
    return ((found - exact).norm() / exact.norm()).item()


def test_marginal_likelihood_is_exact(scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    loss = ESTIMATORS["marginal_likelihood"](agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-5)


def test_vimco_is_unbiased_for_its_bound(scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    pairs = probability[:, :, None] * probability[:, None]
    bound = (pairs * ((fit[:, :, None] + fit[:, None]) / 2).log()).sum((1, 2))
    exact = flat_gradient(agent, -bound.mean())
    z = z_scores(make("vimco", agent, world, samples=2), agent, world, scenes, exact)
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("name", ["reweighted_wake_sleep", "vimco"])
def test_bias_from_the_likelihood_shrinks_with_samples(name: str, scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    setting = (agent, world)
    few = bias(name, exact, setting, scenes, samples=2)
    many = bias(name, exact, setting, scenes, samples=32)
    assert many < few / 2
    assert many < 0.1


def test_bias_of_gumbel_softmax_shrinks_with_temperature(scenes: Scenes) -> None:
    setting = cells()
    exact = exact_gradient(*setting, scenes)
    hot = bias("gumbel_softmax", exact, setting, scenes, temperature=3.0)
    cold = bias("gumbel_softmax", exact, setting, scenes, temperature=0.1)
    assert cold < hot / 2
    assert cold < 0.15


def test_straight_through_looks_at_what_was_drawn(scenes: Scenes) -> None:
    agent, world = cells()
    generator = torch.Generator().manual_seed(0)
    path = ESTIMATORS["straight_through"](agent, world, scenes, generator).path
    assert torch.allclose(path.location.sort(-1).values[..., -1], torch.ones(2, 3))
    exact = exact_gradient(agent, world, scenes)
    assert bias("straight_through", exact, (agent, world), scenes) < 1


def test_soft_attention_is_the_gradient_of_the_mean_look(scenes: Scenes) -> None:
    agent, world = cells()
    path = rollout(agent, world, scenes, soft)
    exact = flat_gradient(agent, (path.loss + path.cost).sum(0).mean())
    loss = ESTIMATORS["soft_attention"](agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-6)
    assert torch.allclose(path.location[1].sum(-1), torch.ones(3))
    assert (path.location[1] > 0).all()


def test_entropy_bonus_is_unbiased_for_its_own_objective(scenes: Scenes) -> None:
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    total = (path.loss + path.cost - path.reward - 0.5 * path.entropy).sum(0)
    exact = flat_gradient(agent, (probability * total).sum() / len(scenes))
    estimator = make("entropy_bonus", agent, world, ent_coef=0.5)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


def test_per_look_gain_pays_the_last_belief(scenes: Scenes) -> None:
    """Undiscounted gains telescope: to go from row t, the last belief less the one before t."""
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    many = scenes.repeat(len(probability) // len(scenes))
    belief = world.task.belief(path.logits[-1], many.target).detach()
    total = (path.loss + path.cost).sum(0) * probability.detach() - belief * probability
    exact = flat_gradient(agent, total.sum() / len(scenes))
    estimator = make("per_look_gain", agent, world, discount=1.0)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


def test_nvil_is_unbiased_but_for_its_scale(scenes: Scenes) -> None:
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    estimator = make("nvil", agent, world, scale=False)
    estimator.centre.fill_(0.4)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED
    scaled = make("nvil", agent, world)
    scaled.variance.fill_(25.0)
    assert z_scores(scaled, agent, world, scenes, exact).abs().max() > CAUGHT


def test_a2c_without_trace_is_biased_and_with_full_trace_the_learned_baseline(
    scenes: Scenes,
) -> None:
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    full = make("a2c", agent, world, gae_lambda=1.0)
    assert z_scores(full, agent, world, scenes, exact).abs().max() < UNBIASED
    for entropy in (0.0, 0.5):
        full = make("a2c", agent, world, gae_lambda=1.0, ent_coef=entropy)
        same = make("entropy_bonus", agent, world, ent_coef=entropy)
        one = flat_gradient(agent, full(agent, world, scenes, generator_of(0)).total)
        two = flat_gradient(agent, same(agent, world, scenes, generator_of(0)).total)
        assert torch.allclose(one, two, atol=1e-6)
    none = make("a2c", agent, world, gae_lambda=0.0)
    assert z_scores(none, agent, world, scenes, exact).abs().max() > CAUGHT


def test_generalised_advantage_against_a_slow_sum(scenes: Scenes) -> None:
    agent, world = points(each=False, halts=True)
    path = rollout(agent, world, scenes.repeat(20), sample, torch.Generator().manual_seed(0))
    assert path.alive.min() == 0
    advantage, target = generalised_advantage(path, 0.8)
    for b in range(60):
        alive = int(path.alive[:, b].sum())
        signal = (path.loss + path.cost - path.reward)[:, b].tolist()
        guess = [0.0, *(-path.value[: alive - 1, b]).tolist(), 0.0]
        for t in range(alive):
            wanted = sum(
                0.8**k * (signal[t + k] + guess[t + k + 1] - guess[t + k]) for k in range(alive - t)
            )
            assert advantage[t, b].item() == pytest.approx(wanted, abs=1e-5)
            assert target[t, b].item() == pytest.approx(wanted + guess[t], abs=1e-5)
        assert (advantage[alive:, b] == 0).all()


def test_ppo_begins_as_a2c_and_clips_later(scenes: Scenes) -> None:
    agent, world = points()
    many = scenes.repeat(64)
    options = dict(update_epochs=3, clip_range=0.1)
    loss = ESTIMATORS["ppo"](
        agent, world, many, torch.Generator().manual_seed(0), ent_coef=0.1, **options
    )
    same = ESTIMATORS["a2c"](agent, world, many, torch.Generator().manual_seed(0), ent_coef=0.1)
    wanted = flat_gradient(agent, same.total)
    assert torch.allclose(flat_gradient(agent, loss.total, retain=True), wanted, atol=1e-5)
    descent = torch.optim.SGD(agent.parameters(), 0.5)
    count = 1
    while loss.again is not None:
        descent.zero_grad()
        loss.total.backward()
        descent.step()
        before, loss = loss, loss.again()
        assert torch.equal(loss.path.location, before.path.location)
        assert torch.equal(loss.advantage, before.advantage)
        count += 1
    assert count == 3
    # Far beyond the bound, and to the policy's profit: nothing pulls any more.
    with torch.no_grad():
        agent.where.weight.mul_(30)
    far = ESTIMATORS["ppo"](agent, world, many, torch.Generator().manual_seed(0), update_epochs=1)
    assert far.total.isfinite()


def test_snes_without_ranks_is_unbiased_for_the_smoothed_loss(scenes: Scenes) -> None:
    """At a small sigma the smoothed loss is the loss, to second order."""
    agent, world = points(looks=2, bonus=0.0)
    exact = exact_gradient(agent, world, scenes)
    estimator = make("snes", agent, world, ranks=False, sigma=0.003, population=32)
    found = estimates(estimator, agent, world, scenes, 40, 64)
    z = (found.mean(0) - exact) / (found.std(0) / 40**0.5)
    assert z.abs().max() < UNBIASED
    kept = [weight.clone() for weight in agent.parameters()]
    estimator(agent, world, scenes, torch.Generator().manual_seed(0))
    assert all(map(torch.equal, kept, agent.parameters()))


def test_snes_descends_a_sphere(scenes: Scenes) -> None:
    agent, world = points(looks=1)
    weights = list(agent.parameters())
    target = torch.randn(sum(w.numel() for w in weights), generator=generator_of(1))

    class Distance(Classify):
        """The same loss for every answer: how far the weights are from the target."""

        def __call__(self, logits, *rest):  # type: ignore[no-untyped-def]
            far = (nn.utils.parameters_to_vector(weights) - target).pow(2).sum().detach()
            return torch.zeros(len(logits)), far.expand(len(logits))

    world.task = Distance(CLASSES)
    estimator = ESTIMATORS["snes"](agent, world, population=20, sigma=0.5).train()
    generator, losses = generator_of(2), []
    for _ in range(250):
        loss = estimator(agent, world, scenes, generator)
        losses.append(loss.total.item())
        gradients = torch.autograd.grad(loss.total, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.data -= gradient
    assert losses[-1] < losses[0] / 20


def generator_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def evidence(agent: Tiny, world: World, scenes: Scenes) -> Tensor:
    """(): the negative evidence bound by hand: sum_z q(z) (loss(z) + log q(z) - log p(z))."""
    path, _ = enumerate_episodes(agent, world, scenes)
    loss = (path.loss + path.cost).sum(0).unflatten(0, (3, -1))
    view = world.open(scenes)
    state, decision = agent.step(
        agent.start(world.context(scenes)), world.observe(view, world.first(scenes), 0)
    )
    values, volume = support(decision.location)
    log_q = agent.guide(state, scenes.target).log_prob(values[:, None]).T
    log_p = decision.location.log_prob(values[:, None]).T
    return ((log_q + volume).exp() * (loss + log_q - log_p)).sum(1).mean()


def test_the_enumerated_evidence_bound_is_exact(scenes: Scenes) -> None:
    agent, world = cells()
    exact = evidence(agent, world, scenes)
    loss = ESTIMATORS["variational_enumerated"](agent, world, scenes)
    assert loss.total.item() == pytest.approx(exact.item(), abs=1e-5)
    wanted = flat_gradient(agent, exact)
    assert torch.allclose(flat_gradient(agent, loss.total), wanted, atol=1e-5)


def test_the_evidence_bound_charges_no_place_that_is_never_looked_at(scenes: Scenes) -> None:
    agent, world = cells(looks=5)
    loss = ESTIMATORS["variational_enumerated"](agent, world.upto(2), scenes)
    assert loss.total.item() == pytest.approx(evidence(agent, world.upto(2), scenes).item())


def test_variational_sampling_is_unbiased_for_the_evidence_bound(scenes: Scenes) -> None:
    agent, world = cells()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    estimator = make("variational_sampled", agent, world)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


@pytest.mark.parametrize(
    "setting", [weights, partial(plane, GaussianWindow(2, sigma=0.8), bonus=0.0)]
)
def test_variational_paths_are_unbiased_for_the_evidence_bound(
    setting: Callable[[], Setting], scenes: Scenes
) -> None:
    agent, world = setting()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    estimator = make("variational_pathwise", agent, world)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED

    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        """The draw is detached, and no score makes up for it."""
        path = rollout(Guided(agent, world, scenes.target), world, scenes, sample, generator)
        return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))

    found = estimates(planted, agent, world, scenes, 50, 64)
    error = (found.std(0) / 50**0.5).clamp_min(1e-5)
    assert ((found.mean(0) - exact) / error).abs().max() > CAUGHT


def test_the_guide_is_introduced_after_pretraining(scenes: Scenes) -> None:
    agent, world = weights()
    of = {
        name: make(name, agent, world)(agent, world, scenes, generator_of(0)).total.item()
        for name in ("pathwise", "variational_pathwise")
    }
    assert of["pathwise"] != of["variational_pathwise"]

    def total(estimator: nn.Module) -> float:
        return estimator(agent, world, scenes, generator_of(0)).total.item()

    estimator = make("variational_pathwise", agent, world, pretraining=2)
    assert total(estimator) == total(estimator.train()) == of["pathwise"]  # eval() counts nothing
    resumed = make("variational_pathwise", agent, world, pretraining=2).train()
    resumed.load_state_dict(estimator.state_dict())
    assert [total(resumed) for _ in range(3)] == [of["pathwise"], *[of["variational_pathwise"]] * 2]


def test_bias_of_a_relaxed_guide_shrinks_with_temperature(scenes: Scenes) -> None:
    """Its loss does as well: in the limit it is that of the cell that was drawn."""
    agent, world = cells()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    hot = bias("variational_gumbel", exact, (agent, world), scenes, temperature=3.0)
    cold = bias("variational_gumbel", exact, (agent, world), scenes, temperature=0.1)
    assert cold < hot / 2
    assert cold < 0.15
    sharp = make("variational_gumbel", agent, world, temperature=1e-5)
    path = rollout(Guided(agent, world, scenes.target), world, scenes, sample, generator_of(0))
    wanted = (path.loss + path.cost).sum(0).mean()
    assert torch.allclose(sharp(agent, world, scenes, generator_of(0)).total, wanted, atol=1e-5)


def test_wake_sleep_follows_the_likelihood_as_samples_grow(scenes: Scenes) -> None:
    """Answer and policy do; the guide has its own objective, and learns."""
    agent, world = cells()
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    rest = flat_gradient(agent, agent.posterior(torch.ones(1, 7)).sum()) == 0
    estimator = make("wake_sleep", agent, world, samples=64)
    found = estimates(estimator, agent, world, scenes, 200, 8).mean(0)
    core = sum(w.numel() for w in agent.core.parameters())
    rest[:core] = False  # the guide's objective passes through the core as well
    assert ((found - exact)[rest].norm() / exact[rest].norm()).item() < 0.1
    assert found[~rest].abs().max() > 1e-3


@pytest.mark.parametrize("name", ["self_critical", "soft_baseline"])
def test_greedy_and_soft_baselines_are_those_episodes(name: str, scenes: Scenes) -> None:
    agent, world = cells(bonus=0.7)
    draw = greedy if name == "self_critical" else soft
    loss = ESTIMATORS[name](agent, world, scenes, generator_of(0))
    other = rollout(agent, world, scenes, draw)
    wanted = credit(loss.path) - credit(other)
    assert torch.allclose(loss.advantage, wanted, atol=1e-6)


def test_moving_average_moves_in_training_only(scenes: Scenes) -> None:
    agent, world = points()
    estimator = ESTIMATORS["moving_average"](agent, world)
    estimator.eval()(agent, world, scenes, generator_of(0))
    assert (estimator.mean == 0).all()
    loss = estimator.train()(agent, world, scenes, generator_of(0))
    assert torch.allclose(estimator.mean, 0.1 * credit(loss.path).mean(1, keepdim=True))
    before = estimator.mean.clone()
    loss = estimator(agent, world.upto(2), scenes, generator_of(0))
    assert torch.allclose(loss.advantage, credit(loss.path) - before[:2])
    moved = 0.9 * before[:2] + 0.1 * credit(loss.path).mean(1, keepdim=True)
    assert torch.allclose(estimator.mean, torch.cat([moved, before[2:]]))


def test_half_of_the_time_soft(scenes: Scenes) -> None:
    agent, world = cells()
    estimator = ESTIMATORS["moving_average"](agent, world, soft=0.5)
    path = estimator(agent, world, scenes.repeat(200), generator_of(0)).path
    calm = path.location[1].max(-1).values < 1
    assert 0.4 < calm.float().mean() < 0.6
    assert (path.log_prob[1][calm] == 0).all()
    assert (path.log_prob[1][~calm] < 0).all()


def test_relax_lowers_the_variance_of_rebar_when_it_learns(scenes: Scenes) -> None:
    agent, world = cells()
    many = scenes.repeat(32)
    estimator = ESTIMATORS["relax"](agent, world, temperature=2.0)
    weights = list(estimator.parameters())

    def variance() -> float:
        return estimates(estimator, agent, world, scenes, 150, 4).var(0).sum().item()

    before = variance()
    descent, generator = torch.optim.Adam(weights, 0.03), generator_of(9)
    for _ in range(80):
        total = estimator(agent, world, many, generator).total
        for weight, gradient in zip(weights, torch.autograd.grad(total, weights), strict=True):
            weight.grad = gradient
        descent.step()
    assert variance() < before * 0.95


def baselines(name: str, agent: Tiny, world: World, scene: Scenes) -> Callable[[Tensor], Tensor]:
    """The baseline of a row as its definition has it, from the critic's values of an episode."""
    if name == "learned_baseline":
        return lambda value: torch.cat([torch.zeros(1), -value[:-1]])
    if name == "self_critical":
        path = rollout(agent, world, scene, greedy)
        signal = (path.loss + path.cost - path.reward)[:, 0].tolist()
        return lambda value: torch.tensor([sum(signal[t:]) for t in range(world.looks)])
    return lambda value: torch.zeros(world.looks)


def variance_ratio(name: str, estimator: Callable[..., Loss], scenes: Scenes) -> float:
    """The estimator's variance over what its definition has, summed over weights."""
    agent, world = points()
    copies, calls = 16, 1000
    wanted = torch.zeros(())
    for s in range(len(scenes)):
        scene = scenes.slice(s, s + 1)
        wanted = (
            wanted + exact_moments(agent, world, scene, baselines(name, agent, world, scene))[1]
        )
    generator = torch.Generator().manual_seed(4)
    many = scenes.repeat(copies)
    found = torch.stack(
        [flat_gradient(agent, estimator(agent, world, many, generator).total) for _ in range(calls)]
    ).var(0)
    return (found.sum() / (wanted.sum() / (len(scenes) ** 2 * copies))).item()


@pytest.mark.parametrize("name", ["reinforce", "learned_baseline", "self_critical"])
def test_variance_is_that_of_the_definition(name: str, scenes: Scenes) -> None:
    assert variance_ratio(name, ESTIMATORS[name], scenes) == pytest.approx(1, abs=0.1)


def test_slow_reference_agrees_with_enumeration(scenes: Scenes) -> None:
    agent, world = points()
    scene = scenes.slice(0, 1)
    mean, _ = exact_moments(agent, world, scene, lambda value: torch.zeros(world.looks))
    assert torch.allclose(mean, exact_gradient(agent, world, scene), atol=1e-5)


def test_baselines_lower_the_variance(scenes: Scenes) -> None:
    agent, world = points()
    generator = torch.Generator().manual_seed(5)
    spread = {}
    for name in ("reinforce", "self_critical", "leave_one_out"):
        grads = [
            flat_gradient(agent, ESTIMATORS[name](agent, world, scenes.repeat(16), generator).total)
            for _ in range(300)
        ]
        spread[name] = torch.stack(grads).var(0).sum()
    assert spread["self_critical"] < spread["reinforce"]
    assert spread["leave_one_out"] < spread["reinforce"] / 4  # it also looks four times


# Planted bugs: each is in well-known code.


def undetached(places: Places, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    value = places.draw(generator)
    return value, places.log_prob(value)


def squashed(places: Places, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    value = places.draw(generator).detach()
    return value, places.log_prob(torch.tanh(value))


def with_draw(draw: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Loss]:
    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        path = rollout(agent, world, scenes, draw, generator)
        return Loss(surrogate(path, credit(path)), path, credit(path))

    return planted


class Squashing(World):
    """Looks fall at tanh of what was drawn."""

    def place(self, location: Tensor, before: Tensor | None = None) -> Tensor:
        return torch.tanh(location)


def test_catches_the_undetached_sample(scenes: Scenes) -> None:
    agent, world = plane(Blind(2, sigma=0.8))
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(with_draw(sample), agent, world, scenes, exact).abs().max() < UNBIASED
    assert z_scores(with_draw(undetached), agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_squashed_density(scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2, sigma=0.8))
    world.__class__ = Squashing
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(with_draw(sample), agent, world, scenes, exact).abs().max() < UNBIASED
    assert z_scores(with_draw(squashed), agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_baseline_that_saw_the_look(scenes: Scenes) -> None:
    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        path = rollout(agent, world, scenes, sample, generator)
        advantage = credit(path) + path.value.detach()
        return Loss(surrogate(path, advantage), path, advantage)

    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(planted, agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_extra_draw_after_the_last_look(scenes: Scenes) -> None:
    """It biases nothing, it is noise: the variance gives it away."""

    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        made: list[Places] = []

        class Listening(Tiny):
            def step(self, state, seen):  # type: ignore[no-untyped-def]
                state, decision = Tiny.step(agent, state, seen)
                made.append(decision.location)
                return state, decision

        listening = Listening.__new__(Listening)
        listening.__dict__ = agent.__dict__
        loss = reinforce(listening, world, scenes, generator)
        _, extra = sample(made[-1], generator)
        noise = (extra * loss.advantage[-1]).mean()
        return loss._replace(total=loss.total + noise)

    assert variance_ratio("reinforce", planted, scenes) > 1.15


def test_catches_a_loss_that_the_looks_are_not_told(scenes: Scenes) -> None:
    """The published hybrid follows the reward alone: not the gradient of E[loss - reward]."""
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)

    def hybrid(*given: object) -> Loss:
        return reinforce(*given, reward_only=True)  # type: ignore[arg-type]

    assert z_scores(hybrid, agent, world, scenes, exact).abs().max() > CAUGHT


def test_pathwise_refuses_what_it_cannot_differentiate(scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2), bonus=0.7)
    with pytest.raises(ValueError, match="bonus=0"):
        pathwise(agent, world, scenes)
    agent, world = cells()
    with pytest.raises(ValueError, match="no pathwise draw"):
        pathwise(agent, world, scenes)
    agent, world = points(bonus=0.0)
    with pytest.raises(ValueError, match="no gradient passes through a Retina"):
        pathwise(agent, world, scenes)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in OF_FEATURES])
def test_draws_from_its_generator_alone(name: str, scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2), bonus=0.0)
    if name not in (*ANY, *SMOOTH):
        agent, world = patches(0.0) if ONE_DRAW.get(name) == "mask" else cells()
    totals = []
    for noise in (6, 7):
        torch.manual_seed(0)
        estimator = make(name, agent, world)
        torch.manual_seed(noise)
        totals.append(estimator(agent, world, scenes, generator_of(8)).total.item())
    assert totals[0] == totals[1]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_refuses_what_it_cannot_do(name: str, scenes: Scenes) -> None:
    """One clear line, never a wrong number."""
    agent, world = points()
    if name in OF_FEATURES:
        with pytest.raises(ValueError, match=OF_FEATURES[name]):
            make(name, agent, world)(agent, world, scenes)
    if name in ONE_DRAW:
        with pytest.raises(ValueError, match=r"two looks|mask"):
            make(name, agent, world)(agent, world, scenes)
    if name in NO_REWARD:
        with pytest.raises(ValueError, match="bonus=0"):
            make(name, agent, world)(agent, world, scenes)
    if name in GUIDED:
        ram = RAM((1, 2, 2), CLASSES, hidden=4)
        world = points(bonus=0.0)[1]
        with pytest.raises(ValueError, match="guide"):
            make(name, ram, world)(ram, world, scenes)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_has_a_source_and_says_whether_it_is_biased(name: str) -> None:
    words = inspect.getdoc(ESTIMATORS[name])
    assert words and "iased" in words
