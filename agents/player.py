"""RAM that plays (Mnih, Heess, Graves, Kavukcuoglu 2014, arXiv:1406.6247, section 4.2)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical, Product
from hardattn.nn.heads import later
from hardattn.nn.layers import GlimpseNet
from hardattn.rollout import Decision
from hardattn.world import Observation

from .move import MoveRAM


class Player(MoveRAM):
    """RAM that acts as well as looks: a Gaussian over the next place, a softmax over actions.

    Places are (x, y, action), the actions being spread evenly over [-1, 1]. It knows what it did:
    its glimpse net reads all three. Trained by what it wins, so `joint`, unlike for RAM, is on,
    and then the critic trains the core as well.

    Departures: those of MoveRAM, whose `reach` is only how far the mean may move here; and the
    critic's part, without which A2C still missed half of the balls after a million games.

    Args:
        actions: Moves that can be made beside looking.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        reach: How far a look may fall from the one before, in half-sides of the image.
        joint: Let what was won train the core; nothing else does.
        filters: Channels of a 3x3 convolution that glimpses go through first; by default none.
        filter_stride: Its stride, in pixels of the glimpse; by default 1.
    """

    actions: Tensor

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        actions: int = 3,
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        reach: float = 0.5,
        joint: bool = True,
        filters: int | None = None,
        filter_stride: int | None = None,
        **options: object,
    ):
        options |= dict(hidden=hidden, what=what, where=where)
        options |= dict(filters=filters, filter_stride=filter_stride)
        super().__init__(glimpse, classes, reach=reach, joint=joint, **options)
        self.glimpse = GlimpseNet(glimpse, 3, what, where, hidden, filters, filter_stride)
        self.actor = nn.Linear(hidden, actions)
        self.register_buffer("actions", torch.linspace(-1, 1, actions)[:, None], persistent=False)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state, decision = super().step(state, seen)
        seen_so_far = self.core.output(state)
        learned_from = seen_so_far if self.joint else seen_so_far.detach()
        action = Categorical(self.actor(learned_from), self.actions)
        value = later(self.critic, learned_from)
        return state, decision._replace(location=Product(decision.location, action), value=value)
