"""The multi-level recurrent attention model (Pan, Yonekura, Kuniyoshi 2025, arXiv:2505.13191)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian
from hardattn.nn.heads import Scalar, later
from hardattn.nn.layers import Core, GlimpseNet
from hardattn.rollout import Decision
from hardattn.world import Observation

from .dram import Layers


class MRAM(nn.Module):
    """Two stacked LSTMs: the lower one says where, the upper one answers; DRAM upside down.

    g = relu(Lin(relu(Lin(glimpse))) + Lin(relu(Lin(place))));  r1' = LSTM(g, r1);
    r2' = LSTM(r1', r2);  next place ~ N(tanh(MLP(r1')), std^2), (B, 2);  logits = Lin(r2'), (B, K);
    value = MLP(r1', r2'). Both states start at 0. Every gradient of the answer trains both LSTMs.

    std: of the Gaussian policy. joint: let the policy's gradient reach the lower LSTM as well.

    Departures: paper and code were not at hand, only a summary of the code's layout. The units of
    the hidden layers, std, and that the policy trains its own layers alone are not confirmed: they
    are those of the RAM code that theirs is built on. Their weight of 0.01 on the policy's
    loss is left out: policy and answer share no weight that it would balance, unless `joint`.

    Args:
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        joint: Let the policy's gradient reach the lower LSTM as well.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.05,
        joint: bool = False,
    ):
        super().__init__()
        self.std, self.joint = std, joint
        self.glimpse = GlimpseNet(torch.Size(glimpse).numel(), 2, what, where, hidden)
        self.lower = Core("lstm", hidden, hidden)
        self.upper = Core("lstm", hidden, hidden)
        self.locator = nn.Sequential(
            nn.Linear(hidden, hidden // 2), nn.ReLU(), nn.Linear(hidden // 2, 2)
        )
        self.classifier = nn.Linear(hidden, classes)
        self.critic = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), Scalar(hidden))

    def start(self, context: Tensor) -> Layers:
        return Layers(self.lower.start(context), self.upper.start(context))

    def step(self, state: Layers, seen: Observation) -> tuple[Layers, Decision]:
        lower = self.lower(self.glimpse(seen.glimpse, seen.location), state.lower)
        where = self.lower.output(lower)
        upper = self.upper(where, state.upper)
        what = self.upper.output(upper)
        place = Gaussian(
            torch.tanh(self.locator(where if self.joint else where.detach())), self.std
        )
        value = later(self.critic, torch.cat([where, what], 1).detach())
        decision = Decision(place, later(self.classifier, what), value, torch.zeros_like(seen.step))
        return Layers(lower, upper), decision
