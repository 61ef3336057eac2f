"""The recurrent attention model (Mnih, Heess, Graves, Kavukcuoglu 2014, arXiv:1406.6247)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Gaussian
from hardattn.episode import linear
from hardattn.nn.heads import Scalar, answering, later
from hardattn.nn.layers import Core, CoreKind, GlimpseNet
from hardattn.nn.networks import Encoder, Made, own
from hardattn.rollout import Decision
from hardattn.world import Observation

from .narrowing import Narrowing


class RAM(Narrowing):
    """A glimpse net, a recurrent core, and three linear heads: answer, next place, return.

    glimpse: the shape of one glimpse. It goes through two linear layers, as in the paper, or with
    `filters` through a convolution before them. std: of the Gaussian policy, fixed as in the paper,
    or where it begins to fall to std_end, see `Narrowing`. joint: let the gradient of the policy
    reach the core; the paper, and the default, trains the locator alone with it.

    Departures: the mean of the policy is bounded by tanh, where the paper leaves it linear (a mean
    that wanders off the image gets no signal to return). The answer is given after every look; the
    paper reads the last one only, which a task with each=False does.

    Args:
        encoder: A network of your own for what a glimpse shows, package.module:make, in place of
            `what` and `filters`; by default two linear layers.
        core: The recurrent cell.
        orthogonal: Begin with orthogonal weights of its recurrence; by default with those that
            PyTorch gives a layer, of which what a plain core remembers fades.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        std_end: What it falls to while the agent is trained; by default it stays.
        std_from: The share of training after which it begins to fall.
        joint: Let the policy's gradient train the core as well.
        filters: Channels of a 3x3 convolution that glimpses go through first; by default none.
        filter_stride: Its stride, in pixels of the glimpse; by default 1.
        pairs_of: Classes of which an answer is a pair, to read it off two heads of one class each
            (`PairHead`); by default one head has all answers.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        encoder: str | Made | None = None,
        core: CoreKind = "rnn",
        orthogonal: bool = False,
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.17,
        std_end: float | None = None,
        std_from: float = 0.0,
        joint: bool = False,
        filters: int | None = None,
        filter_stride: int | None = None,
        pairs_of: int | None = None,
    ):
        super().__init__()
        self.spread_from(std, std_end, std_from)
        self.joint = joint
        self.glimpse: nn.Module
        if encoder is None:
            self.glimpse = GlimpseNet(glimpse, 2, what, where, hidden, filters, filter_stride)
        else:
            self.glimpse = Encoder(own(encoder), glimpse, 2, where, hidden)
        self.core = Core(core, hidden, hidden, orthogonal)
        self.classifier = answering(hidden, classes, pairs_of)
        self.locator = nn.Linear(hidden, 2)
        self.critic = Scalar(hidden)

    def start(self, context: Tensor) -> Tensor:
        return self.core.start(context)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state = self.core(self.glimpse(seen.glimpse, seen.location), state)
        seen_so_far = self.core.output(state)
        apart = seen_so_far.detach()
        mean = torch.tanh(linear((seen_so_far if self.joint else apart, self.locator)))
        logits, value = later(self.classifier, seen_so_far), later(self.critic, apart)
        return state, Decision(Gaussian(mean, self.std), logits, value, torch.zeros_like(seen.step))
