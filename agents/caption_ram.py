"""RAM (Mnih et al. 2014, arXiv:1406.6247) that writes a caption, looking before each word."""

from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.distributions import Gaussian
from hardattn.episode import linear
from hardattn.nn.heads import later
from hardattn.nn.layers import CoreKind
from hardattn.nn.words import Said, Words
from hardattn.rollout import Decision
from hardattn.world import Observation

from .ram import RAM


class Writing(NamedTuple):
    """What is carried from look to look."""

    core: Tensor
    said: Said


class CaptionRAM(RAM):
    """RAM that says a word after each look, or after each few, and is fed what it has said.

    h' = core(g(glimpse, place) + E y, h), with y the word before: its own, or in training the true
    one (`hardattn.estimators.taught`). Answer, next place and value are RAM's. So it looks at what
    it is about to name, and knows of the scene what its looks have shown.

    Departures: there is no paper. RAM for sequences (Ba et al. 2015, arXiv:1412.7755) is fed no
    answer. Those of `RAM`.

    Args:
        looks: How many looks there are.
        each: Looks before each word.
        core: The recurrent cell.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        std_end: What it falls to while the agent is trained; by default it stays.
        std_from: The share of training after which it begins to fall.
        joint: Let the policy's gradient train the core as well.
        filters: Channels of a 3x3 convolution that glimpses go through first; by default none.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        looks: int,
        each: int = 1,
        core: CoreKind = "gru",
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        std: float = 0.17,
        std_end: float | None = None,
        std_from: float = 0.0,
        joint: bool = False,
        filters: int | None = None,
    ):
        super().__init__(
            glimpse,
            classes,
            core=core,
            hidden=hidden,
            what=what,
            where=where,
            std=std,
            std_end=std_end,
            std_from=std_from,
            joint=joint,
            filters=filters,
        )
        self.words = Words(classes, hidden, each, looks)

    def start(self, context: Tensor) -> Writing:  # type: ignore[override]
        core = self.core.start(context)
        return Writing(core, self.words.start(core))

    def step(  # type: ignore[override]
        self, state: Writing, seen: Observation
    ) -> tuple[Writing, Decision]:
        shown = self.glimpse(seen.glimpse, seen.location) + self.words(state.said)
        core = self.core(shown, state.core)
        known = self.core.output(core)
        apart = known.detach()
        mean = torch.tanh(linear((known if self.joint else apart, self.locator)))
        logits, value = self.classifier(known), later(self.critic, apart)
        said = self.words.after(state.said, logits, seen.step)
        decision = Decision(Gaussian(mean, self.std), logits, value, torch.zeros_like(seen.step))
        return Writing(core, said), decision
