"""Operations of every agent against a formula by hand, and against torch's own counter."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hardattn.agents import AGENTS, DRAM, RAM, FullView, SoftAgent, no_block
from hardattn.attention import BLOCKS, HEADS
from hardattn.blocks.sagan import SAGAN
from hardattn.evaluation import cost
from hardattn.evaluation.cost import FORMULAS, Operations, flops, operations
from hardattn.rollout import greedy, rollout
from hardattn.scenes import Scenes
from hardattn.world import World
from tests.support.agents import EVERYONE, build
from tests.support.cost import CELLS, LOOKS, ONCE, WHAT, WHERE, H, K, T


def net(*widths: int) -> int:
    """A stack of linear layers."""
    return sum(a * b for a, b in pairwise(widths))


def conv(places: int, before: int, after: int, size: int = 3) -> int:
    return places * before * after * size**2


def recurrent(gates: int, features: int, hidden: int = H) -> int:
    return gates * hidden * (features + hidden)


def glimpse(pixels: int, place: int = 2) -> int:
    """Mnih et al.: what and where, each by two layers, added."""
    return net(pixels, WHAT, H) + net(place, WHERE, H)


def ram(pixels: int = 18, place: int = 2, heads: int = K + 2 + 1, gates: int = 1) -> int:
    return glimpse(pixels, place) + recurrent(gates, H) + H * heads


def what_where(side: int, channels: int, place: int) -> int:
    """DRAM's glimpse: three convolutions of 4, 4 and 8 channels, a layer each, multiplied."""
    convs = conv(side**2, channels, 4) + conv(side**2, 4, 4) + conv(side**2, 4, 8)
    return convs + 8 * side**2 * 9 + place * 9


def told(outputs: int) -> int:
    """DRAM's context net: sides of 12, 6 and 3."""
    return conv(144, 1, 4) + conv(36, 4, 4) + conv(9, 4, 8) + 8 * 9 * outputs


def cells(width: int) -> int:
    """Features of 3x3 cells of 4x4 pixels: sides of 6 and 3."""
    return conv(36, 1, 8) + conv(9, 8, width)


def additive(width: int, query: int) -> int:
    """Bahdanau et al.: keys of each cell, a query, a score of each."""
    return CELLS * width * H + query * H + CELLS * H


CELL = CELLS * 16  # what a look at a weighted sum of cells of 4x4 pixels multiplies


BANKS = 4 * 12 * 12 + 4 * 12 * 4  # DRAW's reader: 4 rows of filters, then 4 columns


def residual_cnn() -> int:
    """A stem of 32, and stages of 32, 64 and 128 with sides of 6, 3 and 2."""
    stages = [(36, 32, 32), (9, 32, 64), (4, 64, 128)]
    each = [conv(n, a, b) + conv(n, b, b) + conv(n, a, b, 1) for n, a, b in stages]
    return conv(144, 1, 32) + sum(each) + 128 * K


def backbone() -> int:
    """Two strided convolutions to 4 and 8 channels, two units of two convolutions, 3x3 places."""
    return conv(36, 1, 4, 5) + conv(9, 4, 8) + 4 * conv(9, 8, 8)


def resan(heads: int, dependents: int) -> int:
    """Embedding, attention in two groups of 4 and the sum of weights, gate, pool, answer."""
    score = (heads + dependents) * (8 * 8 + 8 * 2)
    attend = 2 * heads * dependents * (4 + 1)
    return CELLS * net(16, 8, 8) + score + attend + heads * (16 * 8 + net(8, 8, 8)) + net(8, H, K)


def scored() -> int:
    """A number for each of 3x3 cells, from a coarse view of 12x12."""
    return conv(144, 1, 4) + 2 * conv(144, 4, 4) + CELLS * 4


# Two patches of 4x4 at a look: their choice, a convolution of half the sides, a layer.
PATCHES = 2 * (CELL + conv(4, 1, 4) + net(16, 8))

BY_HAND: dict[str, float] = {
    "ram": T * ram(),
    "dram": told(2 * H)
    + T * (what_where(5, 2, 2) + recurrent(4, 9) + recurrent(4, H) + net(H, H, K) + H * (2 + 1)),
    # The sensor: an affine map of (x, y, 1) for each of 6x6 points, then four pixels for each.
    "edram": told(H)
    + T * (what_where(6, 1, 6) + recurrent(4, 9) + recurrent(4, H) + net(H, H, K) + H * 6)
    + T * 36 * (2 * 3 + 4),
    "dt_ram": T * (ram() + net(H, H, 1)),
    "mram": T * (glimpse(18) + 2 * recurrent(4, H) + net(H, H // 2, 2) + H * K + net(2 * H, H, 1)),
    # Its penalty takes the mean of a choice, which is a product with the identity.
    "show_attend_tell": cells(8)
    + 8 * 2 * H
    + CELLS * 8 * H
    + T * (H + CELLS * 8 + recurrent(4, 8) + H * H + CELLS * H + H * K + 8 * K)
    + T * (CELLS**2 + CELL),
    "variational": cells(8) + additive(8, 8) + T * (CELLS * 8 + net(8, H, K) + CELL),
    "variational_dirichlet": cells(8) + additive(8, 8) + T * (CELLS * 8 + net(8, H, K) + CELL),
    "sequential": cells(10)
    + T * (CELLS * (6 + 64) + recurrent(4, 6 + 64) + net(H, 128, 4 + 64) + CELLS * (4 + 64))
    + T * (H * K + CELL),
    "scal": cells(16) + net(16, 8, 16) + T * (CELLS * 16 + net(16, H, K) + additive(16, 16) + CELL),
    "draw": T * (ram(16, 5, K + 5, gates=4) + BANKS),
    "zoom_ram": T * (ram(16, 3, K + 3 + 1) + BANKS),
    "spread_ram": T * ram(heads=K + 2 + 1 + 2),
    "move_ram": T * (ram(16) + 16 * 4),
    # Its critic is asked twice, once by the RAM that it is.
    "player": T * (ram(16, 3, K + 2 + 2 * 1 + 3) + BANKS),
    "guided_ram": T * ram(heads=K + 2),
    "glance_focus": net(144, 9, 9)
    + (T + 1) * (recurrent(3, 9) + recurrent(3, 9 + 2))
    + T * (net(36, 9, 9) + H * (K + 2 + 1)),
    # RAM's own answer is made as well, before it is answered anew from all looks.
    "temporal": T * (ram() + T * net(H, 5, 1) + T * H + H * K),
    "kalman": T * (glimpse(18) + H + net(H, H, K) + H * (2 + 1)),
    "full_view": T * residual_cnn(),
    "soft": T * (backbone() + 2 * net(8, 8, 8) + 8 * K),
    "attention_sampling": scored() + T * (PATCHES + 2 * 8 + 8 * K),
    "patch_drop": scored() + T * (conv(36, 1, 4) + conv(9, 4, 8) + net(9 * 8, 8, K)),
    "patch_selection": scored() + T * (PATCHES + 2 * net(CELLS, 8) + net(8, H, K)),
    "gat_cluster": T
    * (backbone() + CELLS * (8 * 8 + 8 * K) + K * 36 * 3 + CELLS * 8 + 2 * net(8, K, K)),
}


NAMED = {"ram": "ram rnn", "full_view": "net cnn", "soft": "backbone cnn"}


def test_a_formula_is_of_an_agent_that_there_is() -> None:
    """Of a new one a formula is welcome and not asked for: what it does is counted anyway, and
    `test_nothing_that_multiplies_goes_uncounted` looks at all that it does.
    """
    assert BY_HAND.keys() < AGENTS.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_agents_by_hand(name: str, small: Scenes) -> None:
    agent, world = build(NAMED.get(name, f"agent {name}"), looks=T)
    after, _ = operations(agent.eval(), world, small)
    assert after[-1] == 2 * BY_HAND[name]
    assert len(after) == T and after == sorted(after)
    each = {b - a for a, b in pairwise(after)}
    assert len(each) == 1, "one look costs as much as another"


def test_resan_pays_for_what_it_keeps(small: Scenes) -> None:
    """At the first look, which is the world's, it keeps nothing, for which one token stands."""
    agent, world = build("agent reinforced", looks=T, seed=4)
    chosen = agent.start(world.context(small.slice(0, 1))) > 0
    heads, dependents = chosen.unflatten(1, (2, CELLS)).sum(-1)[0].tolist()
    assert 0 < dependents < heads < CELLS
    start = CELLS * net(16, 8, 8) + 2 * CELLS * net(3 * 8, 8, 1)
    by_hand = start + resan(1, 1) + (T - 1) * resan(heads, dependents)
    assert flops(agent.eval(), world, small) == 2 * by_hand


def test_ram_by_hand(scenes: Scenes) -> None:
    agent = RAM((2, 4, 4), 10, hidden=12, what=7, where=5)
    looked = 32 * 7 + 7 * 12 + 2 * 5 + 5 * 12
    core, heads = 2 * 12 * 12, 12 * (10 + 2 + 1)
    assert flops(agent, LOOKS, scenes) == 2 * 5 * (looked + core + heads)


def test_self_attention_by_hand(scenes: Scenes) -> None:
    block = partial(SoftAgent, (1, 16, 16), 10, width=16)
    plain, attending = (flops(block(block=each), ONCE, scenes) for each in (no_block, SAGAN))
    places, projections = 16, 16 * (2 + 2 + 16)
    assert attending - plain == 2 * (places * projections + places**2 * (2 + 16))


def lstm() -> Tensor:
    return nn.LSTM(7, 5, 2)(torch.randn(3, 4, 7))[0]


def fused() -> Tensor:
    one, other = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 6, 8)
    return F.scaled_dot_product_attention(one, other, other)


def sampled(mode: str) -> Tensor:
    image, grid = torch.randn(2, 3, 5, 5), torch.rand(2, 4, 6, 2)
    return F.grid_sample(image, grid, mode=mode, align_corners=False)


SINGLE: dict[str, tuple[Callable[[], Tensor], int]] = {
    "LSTM": (lstm, 2 * 3 * 4 * (4 * 5 * (7 + 5) + 4 * 5 * (5 + 5))),
    "GRU cell": (lambda: nn.GRUCell(7, 5)(torch.randn(4, 7)), 2 * 4 * 3 * 5 * (7 + 5)),
    "LSTM cell": (lambda: nn.LSTMCell(7, 5)(torch.randn(4, 7))[0], 2 * 4 * 4 * 5 * (7 + 5)),
    "attention": (fused, 2 * 2 * 3 * 4 * 6 * (8 + 8)),
    "einsum": (
        lambda: torch.einsum("bij,bjk->bik", torch.randn(2, 3, 4), torch.randn(2, 4, 5)),
        2 * 2 * 3 * 4 * 5,
    ),
    "bilinear sampling": (lambda: sampled("bilinear"), 2 * 4 * (2 * 3 * 4 * 6)),
    "nearest sampling": (lambda: sampled("nearest"), 0),
    "affine grid": (
        lambda: F.affine_grid(torch.randn(2, 2, 3), [2, 1, 4, 5], align_corners=False),
        2 * 2 * 4 * 5 * 2 * 3,
    ),
    "enlarging": (
        lambda: F.interpolate(torch.randn(2, 3, 4, 4), (6, 7), mode="bilinear"),
        2 * 4 * (2 * 3 * 6 * 7),
    ),
    "distances": (lambda: torch.cdist(torch.randn(4, 3), torch.randn(5, 3)), 3 * 4 * 5 * 3),
    "matrix by vector": (lambda: torch.randn(4, 3) @ torch.randn(3), 2 * 4 * 3),
    "inner product": (lambda: torch.randn(7) @ torch.randn(7), 2 * 7),
    "elementwise": (lambda: torch.relu(torch.randn(3, 4) * 2), 0),
}


@pytest.mark.parametrize("name", SINGLE)
def test_single_operations_by_hand(name: str) -> None:
    call, expected = SINGLE[name]
    with torch.no_grad(), Operations() as counter:
        call()
    assert counter.total == expected


def test_a_gpu_s_fused_lstm_costs_what_the_cpu_s_does() -> None:
    layer = nn.LSTM(7, 5, 2)
    formula = FORMULAS[torch.ops.aten._cudnn_rnn]
    assert formula(torch.zeros(3, 4, 7), list(layer.parameters()), 4) == SINGLE["LSTM"][1]


def test_uncounted_are_the_numbers_that_were_made() -> None:
    x = torch.randn(3, 4)
    with Operations() as counter:
        (x * 2).view(12).relu_()  # a view is nothing, and in place is something
        x.argmax()
    assert counter.total == 0 and counter.uncounted == 12 + 12
    assert counter.names == {"mul", "relu_"}


# What the agents and blocks of this project do beside what is counted: nothing of it multiplies
# and sums but norms, means and pooling. A new name here wants a look at what it does.
UNCOUNTED = set(
    """
    _adaptive_avg_pool2d _log_softmax _softmax _to_copy abs add add_ addcmul amax amin aminmax
    arange avg_pool2d cat relu_ celu clamp clamp_max clamp_min clamp_min_ clone constant_pad_nd cos
    div elu
    embedding exp eye fill_ flip
    floor full_like gather gelu glu hardswish hardtanh im2col index leaky_relu lerp
    linalg_vector_norm linspace log_
    log logaddexp logsumexp masked_fill max_pool2d_with_indices maximum mean mul mul_ nan_to_num
    native_batch_norm native_group_norm native_layer_norm neg new_full new_ones new_zeros
    ones_like pow reciprocal relu remainder repeat roll round rsub scalar_tensor scatter_
    scatter_add sigmoid sigmoid_ sin softplus sort sqrt stack sub sum tanh tanh_
    threshold_backward topk transpose_
    uniform_ upsample_nearest2d where zeros zeros_like
    """.split()
)


def test_nothing_that_multiplies_goes_uncounted(small: Scenes) -> None:
    looking = [build(who) for who in EVERYONE]
    attending = [{"block": row.make} for row in BLOCKS.values()]
    attending += [{"head": row.make} for row in HEADS.values()]
    looking += [(SoftAgent((1, 12, 12), 10, width=16, **each), ONCE) for each in attending]
    assert names_of(looking, small) <= UNCOUNTED


def names_of(looking: list[tuple[Any, World]], scenes: Scenes) -> set[str]:
    names: set[str] = set()
    for agent, world in looking:
        agent.eval()
        with torch.no_grad(), Operations() as counter:
            list(cost.episode(agent, world, scenes.slice(0, 1), whole=True))
        names |= counter.names
    return names


def test_what_multiplies_uncounted_is_noticed(small: Scenes) -> None:
    class Inverse(nn.Module):
        def __init__(self, channels: int):
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.linalg.inv(torch.eye(x.shape[3]))

    agent = SoftAgent((1, 12, 12), 10, width=16, block=Inverse)
    assert not names_of([(agent, ONCE)], small) <= UNCOUNTED


@pytest.mark.parametrize("who", ["ram", "dram", "cnn", "vit"])
def test_as_torch_counts(who: str, scenes: Scenes) -> None:
    whole: Any = SoftAgent((1, 16, 16), 10, width=16, backbone="vit")
    agent, world = {
        "ram": (RAM((2, 4, 4), 10, core="gru"), LOOKS),
        "dram": (DRAM((2, 4, 4), 10), LOOKS),
        "cnn": (FullView((1, 16, 16), 10), ONCE),
        "vit": (whole, ONCE),
    }[who]
    agent.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        rollout(agent, world, scenes.slice(0, 1), greedy)
    assert flops(agent, world, scenes) == counter.get_total_flops() > 0
