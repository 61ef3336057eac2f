"""Architecture-searched attention (HOGA): its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.blocks.hoga import OPS, PUBLISHED
from tests.support.blocks import maps_of
from tests.support.channel_blocks import build, close, gate, images

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "hoga": lambda c: (
        sum(weights_of_an_edge(name, c // 4) for node in PUBLISHED for name in node) + around(c)
    ),
    "hoga_search": lambda c: (
        10 * (sum(weights_of_an_edge(name, c // 4) for name in OPS) + len(OPS) + 1) + around(c)
    ),
}


def weights_of_an_edge(name: str, c: int) -> int:
    """Of an operation of HOGA on c channels, each norm with its scale and shift."""
    gated = gate(c, max(8, c // 4))
    return {
        "skip": 0,
        "separable": 2 * (9 * c + c * c + 2 * c),
        "dilated": 9 * c + c * c + 2 * c,
        "separable_spatial": (18 + 4 + 4) + (18 + 2 + 2),
        "dilated_spatial": 18 + 2,
        "se": gated,
        "se_max": gated,
        "cbam": gated + 98 + 2,
    }[name]


def around(c: int) -> int:
    """What HOGA has beside its edges: two SE of reduction 8, two 1x1 convolutions with norms."""
    gates = sum(gate(n, max(8, n // 8)) for n in (c // 4, c))
    return gates + (c + c // 4) * c + 2 * c + c * c + 2 * c


def test_hoga_has_the_published_edges_and_its_equation():
    x, block = images(2, 16, 5, 4), build("hoga", 16)
    one, two, three, four = x.chunk(4, 1)
    edge = [node.edges for node in block.nodes]
    first = one
    second = edge[1][0](two) + edge[1][1](first)
    third = edge[2][0](three) + edge[2][1](first) + second
    fourth = edge[3][0](four) + first + edge[3][2](second) + edge[3][3](third)
    together = block.together(one + two + three + four)
    mixed = block.mix(torch.cat([first, second, third, fourth, together], 1))
    close(block(x), block.last(x + mixed))
    kinds = [[gate.kind for gate in maps_of(each, one)] for each in edge[2]]
    assert kinds == [["channel gate", "spatial gate"], ["full gate"], []]
    with pytest.raises(ValueError, match="4 groups"):
        BLOCKS["hoga"].make(18)


def test_a_search_that_has_decided_is_the_block_of_its_genotype():
    x, search = images(2, 16, 5, 4), build("hoga_search", 16)
    block = build("hoga", 16, seed=1)
    weights = {}
    for i, node in enumerate(PUBLISHED):
        for j, name in enumerate(node):
            mixture = search.nodes[i].edges[j]
            with torch.no_grad():
                mixture.architecture.zero_()
                mixture.architecture[list(OPS).index(name)] = 1e3
            chosen = mixture.ops[name].state_dict()
            weights |= {f"nodes.{i}.edges.{j}.{key}": value for key, value in chosen.items()}
    around = {k: v for k, v in search.state_dict().items() if not k.startswith("nodes.")}
    block.load_state_dict(weights | around)
    assert search.genotype() == PUBLISHED
    close(search(x), block(x))


def test_a_genotype_does_not_choose_nothing():
    search = build("hoga_search", 16)
    with torch.no_grad():
        for node in search.nodes:
            for mixture in node.edges:
                mixture.architecture.copy_(torch.arange(len(OPS) + 1.0))
    assert search.genotype() == tuple((list(OPS)[-1],) * n for n in (1, 2, 3, 4))
    BLOCKS["hoga"].make(16, genotype=search.genotype())


@pytest.mark.parametrize("name", ["skip", "separable", "cbam"])
def test_the_gradient_of_the_architecture_finds_an_operation(name: str):
    x = images(8, 4, 5, 5)
    edge = build("hoga_search", 16).nodes[0].edges[0]
    target = edge.ops.requires_grad_(False)[name](x)
    descent = torch.optim.Adam([edge.architecture], lr=0.2)
    for _ in range(30):
        descent.zero_grad()
        ((edge(x) - target) ** 2).mean().backward()
        descent.step()
    assert list(OPS)[int(edge.architecture[:-1].argmax())] == name
