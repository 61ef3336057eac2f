"""RAM with a guide that knows the answer, for variational looking.

Ba, Mnih, Kavukcuoglu 2015, "Multiple Object Recognition with Visual Attention", arXiv:1412.7755
(the lower bound); Ba, Salakhutdinov, Grosse, Frey 2015, "Learning Wake-Sleep Recurrent Attention
Models", arXiv:1509.06812 (WS-RAM, whose inference net the guide is).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Gaussian

from .ram import RAM


class GuidedRAM(RAM):
    """RAM, and beside its policy p(l | h) a posterior over places, q(l | h, y), for training only.

    q = N(tanh(MLP([h, onehot(y)])), guide_std^2). "variational_sampled" descends the bound
    E_q[-log p(y | looks)] + KL(q || p); "wake_sleep" weighs episodes of q. In use, and whenever
    it is evaluated, it is RAM. It has no critic: neither estimator asks for one.

    Departures: WS-RAM's inference net sees the image beside the label; this one sees what RAM has
    seen, and the label. Its proposals are not mixed with broader ones. In Ba et al. (2015) the
    posterior of the bound is the policy itself, which RAM by "reinforce" has.

    Args:
        hidden: Units of the recurrent state.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        guide_std: Standard deviation of the guide; by default the policy's.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        hidden: int = 256,
        std: float = 0.17,
        guide_std: float | None = None,
        **options: object,
    ):
        super().__init__(glimpse, classes, hidden=hidden, std=std, **options)  # type: ignore[arg-type]
        self.classes = classes
        self.guide_std = std if guide_std is None else guide_std
        self.critic = Indifferent()  # type: ignore[assignment]
        self.proposal = nn.Sequential(
            nn.Linear(hidden + classes, hidden), nn.ReLU(), nn.Linear(hidden, 2)
        )

    def guide(self, state: Tensor, target: Tensor) -> Gaussian:
        """The state after a look, and what it should answer -> over the next place."""
        seen_so_far = self.core.output(state)
        if not self.joint:
            seen_so_far = seen_so_far.detach()
        told = torch.cat([seen_so_far, F.one_hot(target, self.classes).to(seen_so_far)], 1)
        return Gaussian(torch.tanh(self.proposal(told)), self.guide_std)


class Indifferent(nn.Module):
    """No critic: (..., D) -> (...) zeros."""

    def forward(self, features: Tensor) -> Tensor:
        return features.new_zeros(features.shape[:-1])
