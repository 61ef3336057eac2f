"""RAM whose memory is a Kalman filter (attention of Liu et al. 2020, arXiv:2010.00985)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian
from hardattn.nn.heads import Scalar, later
from hardattn.nn.layers import GlimpseNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class Belief(NamedTuple):
    """What is carried from look to look: a Gaussian over features of the scene."""

    mean: Tensor  # (B, hidden)
    log_precision: Tensor  # (B, 1)


class KalmanRAM(nn.Module):
    """Each look measures the scene with a precision of its own; the answer reads the estimate.

    Look t gives g_t, as in RAM, and the precision p_t = exp(w' g_t). From a learned prior, mean mu
    and precision P_0, a look moves the estimate by its share: P_t = P_{t-1} + p_t,
    z_t = z_{t-1} + p_t / P_t (g_t - z_{t-1}). So z_t = (P_0 mu + sum_s p_s g_s) / P_t: attention
    over all looks, with a place for the prior, whose state does not grow with them. Answer, next
    place and return read z_t, the answer through a hidden layer; the order of looks is forgotten.

    std, joint: as in `RAM`. hidden: of features, estimate and the answer's hidden layer.

    Departures: the paper aggregates what a buyer did; here glimpses for its values, and one learned
    query for all scenes, which is why w' g is all that is left of its q' k. This is the paper's
    base form: looks are at no place twice, so there are no frequencies to cap. The policy is RAM's.
    The paper's text was not at hand.

    Args:
        hidden: Units of features, estimate and the answer's hidden layer.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        joint: Let the policy's gradient train the memory as well.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.17,
        joint: bool = False,
    ):
        super().__init__()
        self.std, self.joint = std, joint
        self.glimpse = GlimpseNet(torch.Size(glimpse).numel(), 2, what, where, hidden)
        self.log_precision = nn.Linear(hidden, 1, bias=False)
        self.prior_mean = nn.Parameter(torch.zeros(hidden))
        self.prior_log_precision = nn.Parameter(torch.zeros(1))
        self.classifier = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )
        self.locator = nn.Linear(hidden, 2)
        self.critic = Scalar(hidden)

    def start(self, context: Tensor) -> Belief:
        return Belief(
            self.prior_mean.expand(context.shape[0], -1),
            self.prior_log_precision.expand(context.shape[0], 1),
        )

    def step(self, state: Belief, seen: Observation) -> tuple[Belief, Decision]:
        features = self.glimpse(seen.glimpse, seen.location)
        measured = self.log_precision(features)
        log_precision = torch.logaddexp(state.log_precision, measured)
        gain = (measured - log_precision).exp()
        mean = state.mean + gain * (features - state.mean)
        apart = mean.detach()
        place = Gaussian(torch.tanh(self.locator(mean if self.joint else apart)), self.std)
        logits, value = later(self.classifier, mean), later(self.critic, apart)
        decision = Decision(place, logits, value, torch.zeros_like(seen.step))
        return Belief(mean, log_precision), decision
