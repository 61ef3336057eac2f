"""Second-order channel attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.blocks.soca import matrix_sqrt
from tests.support.channel_blocks import build, close, gate, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "soca": lambda c: gate(c, max(8, c // 16)),
}


def covariance(channels: int, places: int) -> Tensor:
    x = images(3, channels, places)
    x = x - x.mean(2, keepdim=True)
    return x @ x.transpose(1, 2) / places


def test_the_root_of_a_covariance_is_that_of_its_eigenvalues():
    matrix = covariance(16, 144)
    values, vectors = torch.linalg.eigh(matrix)
    root = vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT
    close(matrix_sqrt(matrix, 12), root)
    close(matrix_sqrt(matrix, 12) @ matrix_sqrt(matrix, 12), matrix)


@pytest.mark.parametrize(
    "channels, places, error", [(16, 144, 0.04), (32, 144, 0.15), (64, 64, 0.25)]
)
def test_five_iterations_give_a_root_that_is_too_small_by_as_much_as_is_said(
    channels: int, places: int, error: float
):
    matrix = covariance(channels, places)
    values, vectors = torch.linalg.eigh(matrix)
    total = values.sum(1, keepdim=True)
    root, inverse = values / total, torch.ones_like(values)
    for _ in range(5):  # in the matrix's own axes the iteration is one of numbers
        step = (3 - root * inverse) / 2
        root, inverse = root * step, inverse * step
    root = root * total.sqrt()
    found = matrix_sqrt(matrix, 5)
    close(found, vectors @ torch.diag_embed(root) @ vectors.mT)
    exact = values.clamp_min(0).sqrt()
    assert (root <= exact + 1e-9).all()
    missing = ((exact - root).norm(dim=1) / exact.norm(dim=1)).mean()
    assert 0.5 * error < missing < error


def test_second_order_attention_is_its_equation():
    x, block = images(2, 16, 4, 5), build("soca", 16, reduction=2, iterations=25)
    (gate,) = tensors_of(block, x)
    for b in range(2):
        values, vectors = torch.linalg.eigh(torch.cov(x[b].flatten(1), correction=0))
        root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
        middle = F.relu(block.squeeze.weight @ root.mean(1) + block.squeeze.bias)
        assert middle.any(), "all units are shut: nothing is tested"
        close(gate[b], torch.sigmoid(block.excite.weight @ middle + block.excite.bias))
    close(block(x), x * gate[:, :, None, None])


def test_second_order_attention_bears_an_image_without_any_variance():
    x = torch.ones(2, 16, 4, 5, dtype=torch.float64, requires_grad=True)
    build("soca", 16)(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
