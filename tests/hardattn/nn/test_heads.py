"""Heads that nothing waits for: the same numbers, all looks at once."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.episode import episode
from hardattn.nn.heads import Later, Scalar, at_once, later


def test_apart_from_a_rollout_a_head_is_applied_now() -> None:
    head, x = nn.Linear(4, 3), torch.randn(5, 4)
    assert torch.equal(later(head, x), head(x))


@pytest.mark.parametrize("rows", [[5, 5, 5], [2, 4, 8]])
def test_what_was_promised_is_what_the_head_says(rows: list[int]) -> None:
    torch.manual_seed(0)
    for head in (nn.Linear(4, 3), Scalar(4), nn.Sequential(nn.Linear(4, 6), nn.ReLU(), Scalar(6))):
        seen = [torch.randn(many, 4) for many in rows]
        with episode(3):
            promised = [later(head, x) for x in seen]
        assert all(isinstance(each, Later) for each in promised)
        for one, x in zip(at_once(promised), seen, strict=True):
            assert torch.allclose(one, head(x), atol=1e-6)


def test_tensors_and_heads_that_differ_are_taken_one_by_one() -> None:
    one, other, x = nn.Linear(4, 3), nn.Linear(4, 3), torch.randn(5, 4)
    with episode(3):
        mixed: list[Tensor] = [later(one, x), later(other, x), x[:, :3]]
    for made, wanted in zip(at_once(mixed), (one(x), other(x), x[:, :3]), strict=True):
        assert torch.equal(made, wanted)


def test_a_promise_says_so_where_it_is_taken_for_a_tensor() -> None:
    with episode(3):
        promised = later(nn.Linear(4, 3), torch.randn(5, 4))
    with pytest.raises(AttributeError, match="call the head itself"):
        promised.softmax(-1)


def test_a_scalar_is_a_linear_head_of_one_number() -> None:
    scalar, plain = Scalar(4), nn.Linear(4, 1)
    plain.load_state_dict(scalar.state_dict())
    x = torch.randn(2, 5, 4)
    assert torch.equal(scalar(x), plain(x)[..., 0])
