"""Second-order channel attention, of SAN (Dai, Cai, Zhang, Xia, Zhang, CVPR 2019)."""

import torch
from torch import Tensor

from hardattn.blocks.se import SE


def matrix_sqrt(matrix: Tensor, iterations: int) -> Tensor:
    """The square root of (..., C, C), symmetric and without negative eigenvalues, from below.

    Newton and Schulz, on the matrix divided by its trace: T = (3 I - Z Y) / 2, Y <- Y T, Z <- T Z.
    Far from its goal a root grows by half in each iteration, near it the error is squared: the
    smaller an eigenvalue, as a share of the trace, the more iterations its root takes.
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None].clamp_min(1e-12)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    root, inverse = matrix / trace, identity.expand_as(matrix)
    for _ in range(iterations):
        step = (3 * identity - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return root * trace.sqrt()


class SOCA(SE):
    """y = x * sigmoid(W2 relu(W1 z)), where z_c is the mean of row c of the root of the covariance.

    (B, C, H, W) -> same. Map: the gate, (B, C). The covariance of channels is over places, its
    square root as in `matrix_sqrt`. reduction: of the middle layer, C / r units, but at least
    eight.

    How exact: after the paper's five iterations the root of a covariance of white noise is too
    small by 3 % for 16 channels at 144 places, by 12 % for 32 channels there, and by 20 % for 64
    channels at 64 places, where it has no full rank; after ten by 1 % or less.

    Args:
        reduction: Channels to a unit of the middle layer.
        iterations: Of the matrix square root.
    """

    def __init__(self, channels: int, *, reduction: int = 16, iterations: int = 5):
        super().__init__(channels, reduction=reduction)
        self.iterations = iterations

    def pool(self, x: Tensor) -> Tensor:
        places = x.flatten(2)
        centred = places - places.mean(2, keepdim=True)
        covariance = centred @ centred.transpose(1, 2) / places.shape[2]
        return matrix_sqrt(covariance, self.iterations).mean(2)
