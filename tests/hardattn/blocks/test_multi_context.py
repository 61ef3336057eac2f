"""Multi-context attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.support.blocks import features, made

WEIGHTS: dict[str, Callable[..., int]] = {
    "multi_context": lambda c: 9 * c + 1 + 9 + 1,
}


def variation(map_: Tensor) -> float:
    return (map_.diff(dim=2).abs().mean() + map_.diff(dim=3).abs().mean()).item()


def test_crf_smoothing_lowers_the_total_variation():
    block, score = made("multi_context", 4), 2 * features(8, 1, 12, 12)
    with torch.no_grad():
        # Neighbours draw a place to their side; a map of halves draws it nowhere.
        block.spread.weight.fill_(0.5)
        block.spread.weight[0, 0, 1, 1] = 0
        block.spread.bias.fill_(-block.spread.weight.sum() / 2)
    alone = torch.sigmoid(score)
    smooth = block.infer(score)
    # Not because it fades: its values spread as far.
    assert variation(smooth) / smooth.std() < 0.9 * variation(alone) / alone.std()
    with torch.no_grad():
        block.spread.weight.neg_()
        block.spread.bias.neg_()
    rough = block.infer(score)
    assert variation(rough) / rough.std() > variation(alone) / alone.std()


def test_crf_attention_is_its_recursion():
    x, block = features(2, 4, 5, 6), made("multi_context", 4)
    score = F.conv2d(x, block.score.weight, block.score.bias, padding=1)

    def spread(gate: Tensor) -> Tensor:
        return F.conv2d(gate, block.spread.weight, block.spread.bias, padding=1)

    first = torch.sigmoid(score + spread(score))
    second = torch.sigmoid(score + spread(first))
    third = torch.sigmoid(score + spread(second))
    torch.testing.assert_close(block(x), x * third)
