"""The general block is the mixture that it says, and its shares tell what a task asked for."""

import pytest
import torch

from hardattn.blocks.general import BRANCHES, General


def made() -> General:
    torch.manual_seed(0)
    return General(16)


def test_at_first_all_kinds_count_alike() -> None:
    block, x = made().eval(), torch.randn(2, 16, 5, 6)
    wanted = (x + sum(branch(x) for branch in block.branches.values())) / 5
    assert torch.allclose(block(x), wanted, atol=1e-6)
    assert block.shares == pytest.approx(dict.fromkeys(["identity", *BRANCHES], 0.2))


def test_one_kind_alone_is_that_block() -> None:
    block, x = made().eval(), torch.randn(2, 16, 5, 6)
    for number, kind in enumerate(BRANCHES):
        with torch.no_grad():
            block.logits.fill_(-1e4)[1 + number] = 0.0
        assert torch.allclose(block(x), block.branches[kind](x), atol=1e-6)
        assert block.shares[kind] == pytest.approx(1.0)


def test_shares_go_where_the_task_is() -> None:
    """What self-attention gives is asked for, and it comes to count more than any other kind."""
    block, x = made(), torch.randn(8, 16, 5, 6)
    wanted = block.branches["self"](x).detach()
    descent = torch.optim.Adam([block.logits], 0.1)
    for _ in range(40):
        descent.zero_grad()
        (block(x) - wanted).square().mean().backward()
        descent.step()
    shares = block.shares
    assert max(shares, key=shares.__getitem__) == "self" and shares["self"] > 0.5


def test_only_known_kinds_are_mixed() -> None:
    assert list(General(16, kinds=("spatial", "self")).shares) == ["identity", "spatial", "self"]
    with pytest.raises(ValueError, match="no kind 'temporal': choose among channel"):
        General(16, kinds=("temporal",))
