"""Heads that nothing waits for: the same numbers, all looks at once."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from hardattn.episode import episode
from hardattn.nn.heads import Later, PairHead, Scalar, answering, at_once, later
from hardattn.scenes.pairs import of_pair, which


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


@pytest.mark.parametrize("classes", [1, 2, 4, 10])
def test_a_head_of_pairs_is_two_heads_whose_order_is_summed_out(classes: int) -> None:
    """By enumeration of who saw which; in the order in which scenes of pairs call their answers."""
    torch.manual_seed(0)
    head, names = PairHead(6, classes), tuple(map(str, range(classes)))
    x = torch.randn(2, 3, 6)
    one, other = head.each(x).unflatten(-1, (2, classes)).softmax(-1).unbind(-2)
    wanted = torch.zeros(2, 3, len(of_pair(names)))
    for a, b in itertools.product(range(classes), repeat=2):
        number = which(torch.tensor([a]), torch.tensor([b]), names, "pair").item()
        wanted[..., number] += one[..., a] * other[..., b]
    assert torch.allclose(head(x).exp(), wanted, atol=1e-6)
    assert torch.allclose(wanted.sum(-1), torch.ones(2, 3))


@pytest.mark.parametrize("answer", range(6))
def test_a_head_of_pairs_that_is_as_sure_as_can_be_has_gradients(answer: int) -> None:
    head = PairHead(2, 3)
    x = torch.tensor([[1e4, -1e4]], requires_grad=True)
    head(x)[0, answer].backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_answers_that_are_no_pairs_are_refused() -> None:
    assert isinstance(answering(4, 10), nn.Linear)
    assert isinstance(answering(4, 55, 10), PairHead)
    for answers in (10, 19, 54):
        with pytest.raises(ValueError, match=f"55 pairs, and {answers} answers"):
            answering(4, answers, 10)
