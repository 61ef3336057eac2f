"""Pooling attention: formulas for the weights, and what theory says exactly."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import HEADS
from hardattn.blocks.dvan import overlap
from hardattn.blocks.perceiver import fourier_positions
from hardattn.blocks.set_transformer import ISAB, MAB, PMA, SAB
from hardattn.blocks.slot import margins
from hardattn.layers import spatial_basis
from hardattn.maps import Map, charged, recorded, replaced


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def mab(c: int) -> int:
    """Four projections with biases and one without, two norms."""
    return 4 * linear(c, c) + c * c + 2 * 2 * c


def attend(c: int, other: int) -> int:
    """Query, key, value, out; two layers of an MLP; norms of both sides and in between."""
    projections = linear(c, c) + other * c + linear(other, c) + linear(c, c)
    return projections + 2 * linear(c, c) + 2 * (2 * c + other)


def s3ta(c: int, k: int) -> int:
    """Keys of 8 and a basis of 16 beside them, LSTM of 64 (four gates, two biases each)."""
    lstm = 4 * 64 * (c + 16 + 64) + 2 * 4 * 64
    return 8 * c + linear(c, c) + lstm + linear(64, 64) + linear(64, 8 + 16) + linear(64, k)


# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "cesan": lambda c, k: 2 * linear(c, k),
    "class_feature": lambda c, k: 2 * linear(c, k) + 2 * c * c + 2 * c,
    "dvan": s3ta,
    "gain": lambda c, k: linear(9 * c, c) + linear(c, k),
    "gated_pooling": lambda c, k: 2 * 128 * c + 128 + linear(c, k),
    "kalman": lambda c, k: 2 * c + 1 + linear(c, k),
    "perceiver": lambda c, k: 16 * c + attend(c, c + 18) + 2 * attend(c, c) + linear(c, k),
    "retain": lambda c, k: c + linear(c, c) + linear(c, k),
    "sequential": s3ta,
    "set_transformer": lambda c, k: (
        2 * (16 * c + 2 * mab(c)) + c + linear(c, c) + mab(c) + linear(c, k)
    ),
    # Encoder with two norms, starts, projections, two more norms, GRU, and the MLPs.
    "slot": lambda c, k: (
        (linear(4, c) + 4 * c + 2 * linear(c, c))
        + (2 * c + 3 * c * c + 4 * c)
        + 3 * (2 * c * c + 2 * c)
        + (linear(c, 2 * c) + linear(2 * c, c))
        + (linear(c, c) + linear(c, k))
    ),
    "x_linear_pooling": lambda c, k: (
        4 * linear(c, c) + linear(c, c // 2) + c // 2 + linear(c // 2, c) + linear(c, k)
    ),
}

CLASSES = 5


def build(name: str, channels: int = 16, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return HEADS[name].make(channels, CLASSES, **options).double().eval()


def features(channels: int = 16, size: tuple[int, int] = (3, 4), count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, *size, generator=generator, dtype=torch.float64)


def maps_of(head: nn.Module, x: Tensor) -> list[Map]:
    with recorded(head) as maps:
        head(x)
    return maps


def shuffled(x: Tensor) -> Tensor:
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(2))
    return x.flatten(2)[..., order].view_as(x)


# Bags and sets.


def test_gated_pooling_is_its_equation() -> None:
    x, head = features(), build("gated_pooling", hidden=6)
    y, (one,) = head(x), maps_of(head, x)
    for i in range(2):
        places = [x[i, :, r, c] for r in range(3) for c in range(4)]
        score = []
        for place in places:
            lifted = torch.tanh(head.tanh.weight @ place)
            gate = 1 / (1 + torch.exp(-(head.gate.weight @ place)))
            score.append((head.score.weight[0] * lifted * gate).sum().exp())
        share = [each / sum(score) for each in score]
        torch.testing.assert_close(one.tensor[i, 0], torch.stack(share))
        mean = sum(a * place for a, place in zip(share, places, strict=True))
        torch.testing.assert_close(y[i], head.classifier.weight @ mean + head.classifier.bias)


@pytest.mark.parametrize(
    "name", ["gated_pooling", "set_transformer", "kalman", "retain", "x_linear_pooling"]
)
def test_a_set_has_no_order(name: str) -> None:
    x, head = features(), build(name)
    torch.testing.assert_close(head(shuffled(x)), head(x))


def test_a_set_of_sabs_has_no_order() -> None:
    x, head = features(), build("set_transformer", inducing=None)
    torch.testing.assert_close(head(shuffled(x)), head(x))


@pytest.mark.parametrize("name", ["perceiver", "slot", "sequential", "dvan"])
def test_whoever_has_positions_minds_the_order(name: str) -> None:
    x, head = features(), build(name)
    assert not torch.allclose(head(shuffled(x)), head(x), atol=1e-6)


def test_pooling_with_one_seed_is_its_equation() -> None:
    """One head: a softmax over places of s . k / sqrt(D), written out."""
    torch.manual_seed(0)
    width, z = 6, torch.randn(1, 5, 6, dtype=torch.float64)
    pma = PMA(width, heads=1).double()
    block, seed = pma.attend, pma.seeds[0, 0]
    given = [F.relu(pma.feedforward(each)) for each in z[0]]
    query = block.query(seed)
    score = [torch.exp(query @ (block.key.weight @ each) / math.sqrt(6)) for each in given]
    mean = sum(s * block.value(each) for s, each in zip(score, given, strict=True)) / sum(score)

    def norm(v: Tensor) -> Tensor:
        return (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()

    h = norm(seed + block.out(mean))
    wanted = norm(h + F.relu(block.feedforward(h)))
    torch.testing.assert_close(pma(z, (1, 5))[0, 0], wanted)


def test_heads_of_a_mab_see_their_own_channels_only() -> None:
    """Two heads are two attentions on halves of the query, key and value."""
    torch.manual_seed(0)
    block = MAB(6, 2).double()
    x, y = (torch.randn(2, n, 6, dtype=torch.float64) for n in (3, 4))
    query, key, value = block.query(x), block.key(y), block.value(y)
    halves = []
    for half in (slice(0, 3), slice(3, 6)):
        weights = (query[..., half] @ key[..., half].transpose(1, 2) / math.sqrt(6)).softmax(-1)
        halves.append(weights @ value[..., half])
    h = block.between(x + block.out(torch.cat(halves, 2)))
    torch.testing.assert_close(block(x, y, None), block.after(h + F.relu(block.feedforward(h))))


def test_inducing_points_pass_on_only_what_they_gathered() -> None:
    """With one point every place gets the same answer; SABs give each its own."""
    torch.manual_seed(0)
    x = torch.randn(1, 12, 8, dtype=torch.float64)
    told = []
    for block in (ISAB(8, 2, 1).double(), SAB(8, 2).double()):
        giver = block.give if isinstance(block, ISAB) else block.attend
        giver.out.register_forward_hook(lambda module, given, out: told.append(out))
        block(x, (3, 4))
    one, own = told
    torch.testing.assert_close(one, one[:, :1].expand_as(one))
    assert own.std(1).max() > 1e-3


# Slots.


def test_slots_share_each_place_among_them() -> None:
    x, head = features(), build("slot")
    maps = maps_of(head, x)
    assert len(maps) == 3
    for one in maps:
        assert one.tensor.shape == (2, 7, 3, 4) and one.over == (-3,)
        torch.testing.assert_close(one.tensor.sum(1), torch.ones(2, 3, 4, dtype=torch.float64))
        assert one.density is not None and (one.density >= 1 / 7).all()
    assert (maps[-1].tensor - 1 / 7).abs().max() > 0.01, "the slots are all the same"


def test_slots_differ_by_their_noise_alone() -> None:
    """Equal starts stay equal, and the order of the starts does not matter."""
    x, head = features(), build("slot")
    y = head(x)
    head.start.copy_(head.start.flip(0))
    torch.testing.assert_close(head(x), y)
    head.start.copy_(head.start[:1].expand_as(head.start))
    for one in maps_of(head, x):
        torch.testing.assert_close(one.tensor, torch.full_like(one.tensor, 1 / 7))


def test_slots_start_at_random_in_training_alone() -> None:
    x, head = features(), build("slot")
    assert torch.equal(head(x), head(x))
    head.train()
    assert not torch.equal(head(x), head(x))
    torch.manual_seed(5)
    once = head(x)
    torch.manual_seed(5)
    assert torch.equal(head(x), once)


def test_a_round_of_slots_is_its_equations() -> None:
    x, head = features(), build("slot", rounds=1, slots=2)
    position = margins(x)
    torch.testing.assert_close(position.sum(1), torch.full((12,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(position[5], torch.tensor([0.5, 0.375, 0.5, 0.625]).double())
    for i in range(2):
        places = head.encode(x[i].flatten(1).T + head.position(position))
        slots = [head.mean[0] + head.log_std[0].exp() * noise for noise in head.start]
        query = [head.query(head.before(slot)) for slot in slots]
        update, total = [torch.zeros(16).double() for _ in slots], [0.0, 0.0]
        for place in places:
            score = [torch.exp(head.key(place) @ q / 4) for q in query]
            for s in range(2):
                share = score[s] / sum(score)
                update[s] = update[s] + share * head.value(place)
                total[s] = total[s] + share
        votes = 0
        for s in range(2):
            slot = head.cell((update[s] / total[s])[None], slots[s][None])
            votes = votes + head.vote(slot + head.mlp(head.between(slot)))
        torch.testing.assert_close(head(x)[i], votes[0] / 2)


# Perceiver.


def test_fourier_positions_reach_the_nyquist_frequency() -> None:
    positions = fourier_positions(torch.zeros(1, 1, 8, 6, dtype=torch.float64), 4)
    assert positions.shape == (48, 18)
    rows, columns = positions.view(8, 6, 2, 9).unbind(2)
    assert torch.equal(rows[:, :1].expand_as(rows), rows)
    assert torch.equal(columns[:1].expand_as(columns), columns)
    place = torch.linspace(-7, 7, 8, dtype=torch.float64) / 8
    torch.testing.assert_close(rows[:, 0, 0], place)
    torch.testing.assert_close(rows[:, 0, 1], torch.sin(math.pi * place))
    torch.testing.assert_close(rows[:, 0, 6], torch.cos(2 * math.pi * place))
    alternating = torch.tensor([1.0, -1.0]).double()
    torch.testing.assert_close(rows[:, 0, 4], alternating.repeat(4))
    torch.testing.assert_close(columns[0, :, 4], -alternating.repeat(3))


def test_latents_ask_places_with_their_positions() -> None:
    x, head = features(), build("perceiver", latents=3, rounds=1, layers=0)
    (one,) = maps_of(head, x)
    block = head.cross
    for i in range(2):
        places = torch.cat([x[i].flatten(1).T, fourier_positions(x, 4)], 1)
        for latent in range(3):
            query = block.query(block.norm(head.latents[0, latent]))
            scores = [query @ (block.key.weight @ block.other(place)) / 4 for place in places]
            wanted = torch.stack(scores).softmax(0)
            torch.testing.assert_close(one.tensor[i, latent], wanted)
    assert one.density is not None
    torch.testing.assert_close(one.density.sum((1, 2)), torch.ones(2).double())


# Kalman filtering attention.


def test_kalman_pooling_is_the_mean_of_the_posterior() -> None:
    """Gaussian measurements of one vector, one after the other, in any order."""
    x, head = features(), build("kalman")
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(0.3)
    for i in range(2):
        mean, variance = head.prior_mean, torch.exp(-head.prior_log_precision)
        for place in x[i].flatten(1).T.flip(0):
            noise = torch.exp(-head.log_precision.weight[0] @ place)
            gain = variance / (variance + noise)
            mean, variance = mean + gain * (place - mean), (1 - gain) * variance
        torch.testing.assert_close(head(x)[i], head.classifier(mean))


def test_kalman_pooling_without_a_prior_is_softmax_attention() -> None:
    x, head = features(), build("kalman")
    places = x.flatten(2).transpose(1, 2)
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(-1e4)
        weights = (places @ head.log_precision.weight[0]).softmax(1)
        wanted = head.classifier((weights[:, None] @ places)[:, 0])
        torch.testing.assert_close(head(x), wanted)
        (one,) = maps_of(head, x)
        torch.testing.assert_close(one.density, weights.view(2, 3, 4))


def test_kalman_pooling_that_is_sure_of_its_prior_does_not_look() -> None:
    x, head = features(), build("kalman")
    with torch.no_grad():
        head.prior_mean.normal_()
        head.prior_log_precision.fill_(1e4)
        torch.testing.assert_close(head(x), head.classifier(head.prior_mean).expand(2, -1))


# RETAIN.


def test_retain_is_its_equations() -> None:
    x, head = features(), build("retain")
    y, (which, where) = head(x), maps_of(head, x)
    score, gate, bias = head.score.weight[0, :, 0, 0], head.gate.weight[..., 0, 0], head.gate.bias
    for i in range(2):
        places = list(x[i].flatten(1).T)
        share = torch.stack([score @ place for place in places]).softmax(0)
        gates = [torch.tanh(gate @ place + bias) for place in places]
        torch.testing.assert_close(where.tensor[i, 0], share)
        torch.testing.assert_close(which.tensor[i].flatten(1).T, torch.stack(gates))
        seen = sum(a * b * place for a, b, place in zip(share, gates, places, strict=True))
        torch.testing.assert_close(y[i], head.classifier(seen))


def test_the_density_of_retain_is_where_it_looks_and_not_which_channels() -> None:
    x, head = features(), build("retain")
    which, where = maps_of(head, x)
    assert (which.tensor < 0).any() and which.density is not None and where.density is not None
    torch.testing.assert_close(where.density.sum((1, 2)), torch.ones(2).double())
    last = [one for one in maps_of(head, x) if one.at is not None][-1]
    assert last.kind == "pooled query", "evaluation takes the last density for the attention"


def test_retain_with_open_gates_is_the_mean_that_its_weights_say() -> None:
    x, head = features(), build("retain")
    with torch.no_grad():
        head.gate.bias.fill_(1e3)
        weights = (x * head.score.weight).sum(1).flatten(1).softmax(1)
        wanted = head.classifier((x.flatten(2) * weights[:, None]).sum(2))
        torch.testing.assert_close(head(x), wanted)


# X-linear.


def test_x_linear_pooling_is_its_equations() -> None:
    x, head = features(), build("x_linear_pooling")

    def celu(v: Tensor) -> Tensor:
        return torch.where(v > 0, v, 1.3 * (torch.exp(v / 1.3) - 1))

    y, (where, which) = head(x), maps_of(head, x)
    for i in range(2):
        places = list(x[i].flatten(1).T)
        query = sum(places) / 12
        joint = [F.relu(head.joint(celu(head.key(p)) * celu(head.query(query)))) for p in places]
        share = torch.stack([head.where.weight[0] @ each for each in joint]).softmax(0)
        gate = torch.sigmoid(head.which(sum(joint) / 12))
        values = [celu(head.value(p)) * celu(head.asked(query)) for p in places]
        z = gate * sum(a * v for a, v in zip(share, values, strict=True))
        torch.testing.assert_close(where.tensor[i, 0], share)
        torch.testing.assert_close(which.tensor[i], gate)
        torch.testing.assert_close(y[i], head.classifier(z))


# In turn.


def test_s3ta_is_its_equations() -> None:
    x, head = features(), build("sequential", looks=3, queries=2)
    lstm, basis = head.core.cell, spatial_basis(3, 4, 2, x)
    maps = maps_of(head, x)
    for i in range(2):
        keys = torch.cat([head.key(x)[i].flatten(1).T, basis], 1)
        values = torch.cat([head.value(x)[i].flatten(1).T, basis], 1)
        h = c = torch.zeros(1, 64, dtype=torch.float64)
        for look in range(3):
            asked = head.query(h)[0].view(2, 24)
            shares = [torch.stack([k @ q for k in keys]).softmax(0) for q in asked]
            torch.testing.assert_close(maps[look].tensor[i], torch.stack(shares))
            h, c = lstm(torch.cat([values.T @ share for share in shares])[None], (h, c))
        torch.testing.assert_close(head(x)[i], head.classifier(h)[0])


@pytest.mark.parametrize("name", ["sequential", "dvan"])
def test_the_next_look_is_another_and_depends_on_the_image(name: str) -> None:
    """A state that is not kept would ask the same question again and again."""
    x, head = features(), build(name)
    queries: list[Tensor] = []
    head.query.register_forward_hook(lambda module, given, out: queries.append(out))
    maps = maps_of(head, x)
    assert len(maps) == len(queries) == 4
    for one, other in pairwise(maps):
        assert (one.tensor - other.tensor).abs().max() > 1e-4
    assert torch.equal(queries[0][0], queries[0][1])
    assert all((query[0] - query[1]).abs().max() > 1e-4 for query in queries[1:])


def one_hot(*places: int) -> list[Tensor]:
    return [F.one_hot(torch.tensor([[place]]), 12).double() for place in places]


def test_overlap() -> None:
    assert overlap(one_hot(0, 3, 7)).item() == 0
    assert overlap(one_hot(4, 4, 4)).item() == 1
    assert overlap(one_hot(4, 4, 5)).item() == pytest.approx(1 / 3)
    alike = [torch.full((1, 1, 12), 1 / 12)] * 3
    assert overlap(alike).item() == pytest.approx(1 / 12)
    looks = [torch.rand(2, 1, 12).softmax(2) for _ in range(4)]
    pairs = [(looks[i] * looks[j]).sum((1, 2)) for i in range(4) for j in range(i)]
    torch.testing.assert_close(overlap(looks), sum(pairs) / 6)


def test_dvan_pays_for_the_same_place_and_for_nothing_else() -> None:
    x, head = features(), build("dvan", price=0.5)

    def in_turn(*places: int) -> Callable[[Map], Tensor]:
        looks = iter(one_hot(*places))
        return lambda one: next(looks).expand_as(one.tensor)

    for places, price in [((0, 1, 2, 3), 0.0), ((5, 5, 5, 5), 0.5), ((5, 5, 6, 6), 1 / 6)]:
        with replaced(head, in_turn(*places)), charged() as costs:
            head(x)
        torch.testing.assert_close(costs[0], torch.full((2,), price).double())
    twin = build("sequential")
    twin.load_state_dict(head.state_dict())
    assert torch.equal(twin(x), head(x))
    with pytest.raises(ValueError, match="two or more"):
        build("dvan", looks=1)


# By category.


def test_class_centres_are_weighted_means() -> None:
    x, head = features(), build("class_feature")
    belongs, weights = maps_of(head, x)
    assert (belongs.over, weights.over) == ((-3,), (-1,))
    torch.testing.assert_close(weights.tensor.sum(2), torch.ones(2, CLASSES).double())
    given = []
    head.fuse.register_forward_hook(lambda module, seen, out: given.append(seen[0][:, 16:]))
    head(x)
    for i in range(2):
        share = head.coarse(x)[i].softmax(0).flatten(1)
        torch.testing.assert_close(share, belongs.tensor[i].flatten(1))
        places = x[i].flatten(1).T
        centres = [
            sum(p * place for p, place in zip(row, places, strict=True)) / row.sum()
            for row in share
        ]
        wanted = share.T @ torch.stack(centres)
        torch.testing.assert_close(given[0][i].flatten(1).T, wanted)
    # Why a ReLU has to follow: on the mean alone attention has no influence.
    torch.testing.assert_close(given[0].mean((2, 3)), x.mean((2, 3)))


def test_one_class_at_a_place_gives_that_class_s_centre() -> None:
    """Where each place belongs to one class for sure, its members all get their mean."""
    x, head = features(), build("class_feature")
    belongs = F.one_hot(torch.arange(12) % CLASSES, CLASSES).T.view(1, CLASSES, 3, 4).double()
    given = []
    head.fuse.register_forward_hook(lambda module, seen, out: given.append(seen[0][:, 16:]))

    def told(one: Map) -> Tensor:
        return belongs.expand(2, -1, -1, -1) if one.kind == "codes" else one.tensor

    with replaced(head, told):
        head(x)
    flat, got = x.flatten(2), given[0].flatten(2)
    for k in range(CLASSES):
        mean = flat[..., k::CLASSES].mean(2, keepdim=True)
        torch.testing.assert_close(got[..., k::CLASSES], mean.expand_as(got[..., k::CLASSES]))


@pytest.mark.parametrize("name, first", [("class_feature", "coarse"), ("cesan", "maps")])
def test_the_coarse_answer_learns_from_the_one_loss(name: str, first: str) -> None:
    """Even where the fine answer is cut off: its class activation is in the logits."""
    x, head = features(), build(name)
    nn.init.zeros_(head.classifier.weight)
    nn.init.zeros_(head.classifier.bias)
    coarse = getattr(head, first)
    torch.testing.assert_close(head(x), coarse(x).mean((2, 3)))
    loss = F.cross_entropy(head(x), torch.tensor([1, 3]))
    (slope,) = torch.autograd.grad(loss, coarse.bias)
    answer = coarse(x).mean((2, 3)).softmax(1)
    torch.testing.assert_close(slope, (answer - F.one_hot(torch.tensor([1, 3]), CLASSES)).mean(0))


def test_cesan_is_its_equations() -> None:
    x, head = features(), build("cesan")
    (one,) = maps_of(head, x)
    for i in range(2):
        score = head.maps(x)[i]
        share = score.mean((1, 2)).softmax(0)
        for r in range(3):
            for c in range(4):
                mixed = sum(share[k] * score[k, r, c] for k in range(CLASSES))
                gate = 1 / (1 + torch.exp(-mixed))
                torch.testing.assert_close(one.tensor[i, 0, r, c], gate)
        seen = (x[i] * one.tensor[i]).mean((1, 2))
        wanted = head.classifier(seen) + score.mean((1, 2))
        torch.testing.assert_close(head(x)[i], wanted)


def test_the_map_of_gain_is_grad_cam_with_and_without_gradients() -> None:
    x, head = features().requires_grad_(), build("gain")
    answer = torch.tensor([2, 0])
    logits = head.classifier(F.relu(head.conv(x)).mean((2, 3)))
    torch.testing.assert_close(head(x), logits)
    (slope,) = torch.autograd.grad(logits[0, 2] + logits[1, 0], x)
    weight = slope.mean((2, 3))
    cam = F.relu(torch.einsum("bc,bchw->bhw", weight, x))
    torch.testing.assert_close(head.activation(x, answer)[:, 0], cam)
    with torch.no_grad():
        assert torch.equal(head.activation(x, answer), head.activation(x, answer).detach())
        torch.testing.assert_close(head.activation(x, answer)[:, 0], cam)


def gain_charge(head: nn.Module, x: Tensor) -> Tensor:
    with charged() as costs:
        head(x)
    return costs[0]


def test_the_gradient_of_gain_passes_through_its_grad_cam() -> None:
    """Against finite differences; with the map held fixed it is another one."""
    x, head = features(channels=4), build("gain", channels=4)
    weight = head.conv.weight
    (slope,) = torch.autograd.grad(gain_charge(head, x).sum(), weight)
    with replaced(head, lambda one: one.tensor.detach()):
        (cut,) = torch.autograd.grad(gain_charge(head, x).sum(), weight)
    found, eps = torch.zeros_like(slope).flatten(), 1e-6
    with torch.no_grad():
        flat = weight.view(-1)
        for i in range(len(flat)):
            sides = []
            for step in (eps, -2 * eps):
                flat[i] += step
                sides.append(gain_charge(head, x).sum())
            flat[i] += eps
            found[i] = (sides[0] - sides[1]) / (2 * eps)
    torch.testing.assert_close(slope.flatten(), found, rtol=1e-4, atol=1e-7)
    assert (cut - slope).abs().max() > 0.01 * slope.abs().max()


def test_gain_charges_what_is_left_of_its_answer() -> None:
    x = features()
    nothing, everything = (build("gain", threshold=t) for t in (1e3, -1e3))
    left = nothing(x).softmax(1).amax(1)
    torch.testing.assert_close(gain_charge(nothing, x), left)
    blank = everything(torch.zeros_like(x)).softmax(1)
    answer = everything(x).argmax(1)
    torch.testing.assert_close(gain_charge(everything, x), blank[torch.arange(2), answer])
    torch.testing.assert_close(gain_charge(build("gain", price=3.0, threshold=1e3), x), 3 * left)
