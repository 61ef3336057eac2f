"""What attends without writing its weights out does what it does where somebody listens to them."""

from typing import Any

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.maps import recorded


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("sides", [(6, 6), (5, 3), (1, 1), (13, 11)], ids=str)
@pytest.mark.parametrize(
    "name, options",
    [
        ("smyrf", {}),
        ("smyrf", {"clusters": 1}),
        ("smyrf", {"clusters": 7, "hashes": 3}),
        ("smyrf", {"clusters": 500, "heads": 2}),
        ("clustered", {}),
        ("clustered", {"clusters": 3}),
        ("clustered", {"clusters": 5, "top": 4}),
        ("random_features", {}),
        ("random_features", {"features": 9, "heads": 2}),
    ],
    ids=str,
)
def test_listening_changes_nothing(
    name: str, options: dict[str, Any], sides: tuple[int, int], training: bool
) -> None:
    """Outputs, all gradients, and how much noise was drawn."""
    torch.manual_seed(0)
    block = BLOCKS[name].make(16, **options).double().train(training)
    block.many = 0
    x = torch.randn(2, 16, *sides, dtype=torch.float64, requires_grad=True)
    inputs, found = [x, *block.parameters()], []
    for listening in (False, True):
        torch.manual_seed(1)
        if listening:
            with recorded(block) as maps:
                y = block(x)
            assert maps[0].tensor.shape[2:] == (sides[0] * sides[1],) * 2
        else:
            y = block(x)
        gradients = torch.autograd.grad(y.square().sum(), inputs)
        found.append([y, *gradients, torch.rand(1)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["smyrf", "clustered", "random_features"])
def test_of_few_places_weights_are_written_out_anyway(name: str) -> None:
    """So that there not even a bit depends on who listens."""
    block, x = BLOCKS[name].make(16).eval(), torch.randn(2, 16, 9, 11)
    alone = block(x)
    with recorded(block):
        assert torch.equal(block(x), alone)


@pytest.mark.parametrize("name", ["smyrf", "clustered", "random_features"])
def test_no_matrix_of_all_pairs_is_made(name: str) -> None:
    block, places = BLOCKS[name].make(16), 400
    x = torch.randn(1, 16, 20, 20, requires_grad=True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda made: kept.append(made.numel()) or made, lambda made: made
    ):
        block(x)
    if name == "smyrf":  # two hashings, each a quarter
        assert max(kept) <= 4 * 2 * 4 * (places // 4) ** 2
        assert max(kept) < 4 * places**2
    else:
        assert max(kept) < 4 * places**2 / 2
    kept.clear()
    with (
        recorded(block),
        torch.autograd.graph.saved_tensors_hooks(
            lambda made: kept.append(made.numel()) or made, lambda made: made
        ),
    ):
        block(x)
    assert max(kept) >= 4 * places**2
