"""Non-local block (Wang, Girshick, Gupta, He 2018, arXiv:1711.07971)."""

from torch import Tensor, nn

from hardattn.maps import AttentionMap, received


class NonLocal(nn.Module):
    """y = x + BN(W_z A g(x)), A = softmax(theta(x)' phi(x)): the embedded Gaussian.

    (B, C, H, W) -> same. Map: A, (B, 1, N, N), rows sum to one. theta, phi and g are 1x1
    convolutions to C / 2 channels, without biases, as is W_z. The scale of the batch norm starts
    at 0, so the block starts as the identity.

    Departures: phi and g are not subsampled, so that every place attends to every place.
    """

    placement = "context"

    def __init__(self, channels: int):
        super().__init__()
        inner = max(1, channels // 2)
        self.theta = nn.Conv2d(channels, inner, 1, bias=False)
        self.phi = nn.Conv2d(channels, inner, 1, bias=False)
        self.g = nn.Conv2d(channels, inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        query, key, value = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        weights = (query.transpose(1, 2) @ key).softmax(-1)[:, None]
        weights = self.map(weights, density=received(height, width))
        attended = (value @ weights[:, 0].transpose(1, 2)).unflatten(2, (height, width))
        return x + self.norm(self.out(attended))
