"""DT-RAM, dynamic computational time (Li, Yang, Liu, Zhou, Wen, Xu 2017, arXiv:1703.10332)."""

from torch import Tensor, nn

from hardattn.distributions import Stop
from hardattn.nn.layers import CoreKind
from hardattn.rollout import Decision
from hardattn.world import Observation

from .ram import RAM


class DTRAM(RAM):
    """RAM that also decides, after every look, whether to stop and answer.

    p(stop | h) = sigmoid(clip(MLP(h), -10, 10)), drawn and learned as the places are; `price` is
    charged for every look taken, so that an episode of n looks costs n * price. A task that asks
    after each look (each=True) is the paper's intermediate supervision: there an answer stands for
    the looks that are left, so that stopping escapes no loss, and a look more is worth what it adds
    times the share that is left. One that asks once, at the stop (each=False), trains no answer on
    the way. The paper's curriculum is `curriculum` of TrainOptions; with a loss
    after each look and without it, an agent may never find out what a second look is worth.

    price: of one look, in the units of the task's loss and reward. joint: let the gradient of
    looking and stopping reach the core. The rest as in `RAM`, whose departures it has.

    Departures: in the authors' code a right answer after n looks is worth gamma^n; a price of
    1 - gamma is that to first order, and is charged for wrong answers as well, because an agent
    never learns the target. Their deterministic decider stops above a threshold of 0.9; here the
    greedy agent stops where stopping is the likelier. They train RAM with one look, then with two
    and so on, each from the best of the one before, and at last the decider alone; here all learn
    together while the looks grow in number. For birds and cars their losses on the way are summed
    and not averaged, and come before there is a decider, so after every look; those networks start
    from a ResNet-50. The sizes here are those of the code for MNIST.

    Args:
        core: The recurrent cell.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        joint: Let the policy's gradient train the core as well.
        price: Charged for every look taken.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        core: CoreKind = "rnn",
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.17,
        joint: bool = False,
        price: float = 0.05,
    ):
        super().__init__(
            glimpse,
            classes,
            core=core,
            hidden=hidden,
            what=what,
            where=where,
            std=std,
            joint=joint,
        )
        self.price = price
        self.decider = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
            nn.Hardtanh(-10.0, 10.0),
        )

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state, decision = super().step(state, seen)
        seen_so_far = self.core.output(state)
        halt = Stop(self.decider(seen_so_far if self.joint else seen_so_far.detach())[:, 0])
        return state, decision._replace(cost=decision.cost + self.price, halt=halt)
