"""A glimpse agent that answers at every place: what it says of where it looked adds up."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Gaussian
from hardattn.episode import linear
from hardattn.nn.heads import later
from hardattn.rollout import Decision
from hardattn.world import Observation

from .dense import Maps
from .ram import RAM


class MaskRAM(RAM):
    """RAM whose answer is a canvas: each look adds its logits to the places that it showed.

    Its core, locator and critic are those of `agents.RAM` (Mnih et al. 2014). What is added is
    conv3x3(relu(f(glimpse) + Lin(core))), f three 3x3 convolutions of which the second is dilated
    by 2, one number for each pixel of the finest scale and each map; a place gets that of the pixel
    nearest to it, if it was shown. So nothing is said of a place that was never looked at: of masks
    the background is the answer there.

    Departures: there is no paper.

    Args:
        layout: Where the questions lie, and where the answers, which the task says.
        window: Height and width of the finest patch of a glimpse, as shares of the image.
        paint: Channels between a glimpse and what it adds.
        prior: Logit of the background at first.
        hidden: Units of the recurrent state.
        joint: Let the policy's gradient train the core as well.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        layout: tuple[int, ...] = (),
        window: tuple[float, float] = (1.0, 1.0),
        paint: int = 32,
        prior: float = 3.0,
        hidden: int = 256,
        joint: bool = False,
        **options: object,
    ):
        super().__init__(glimpse, classes, hidden=hidden, joint=joint, **options)  # type: ignore[arg-type]
        del self.classifier  # a canvas answers
        self.maps, self.window = Maps(classes, layout), window
        self.prior = prior if self.maps.masks else 0.0
        self.see = nn.Sequential(
            nn.Conv2d(glimpse[0], paint, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(paint, paint, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(paint, paint, 3, padding=1),
        )
        self.know = nn.Linear(hidden, paint)
        self.paint = nn.Conv2d(paint, self.maps.count, 3, padding=1)

    def start(self, context: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        canvas = context.new_zeros(len(context), self.maps.count, *self.maps.size)
        first = torch.arange(self.maps.count, device=canvas.device) == 0
        return self.core.start(context), canvas + self.prior * first[:, None, None]

    def step(  # type: ignore[override]
        self, state: tuple[Tensor, Tensor], seen: Observation
    ) -> tuple[tuple[Tensor, Tensor], Decision]:
        core, canvas = state
        core = self.core(self.glimpse(seen.glimpse, seen.location), core)
        known = self.core.output(core)
        apart = known.detach()
        mean = torch.tanh(linear((known if self.joint else apart, self.locator)))
        told = self.know(known)[:, :, None, None]
        patch = self.paint(F.relu(self.see(seen.glimpse) + told))
        canvas = canvas + self.placed(patch, seen.location)
        value, nought = later(self.critic, apart), torch.zeros_like(seen.step)
        decision = Decision(Gaussian(mean, self.std), self.maps.logits(canvas), value, nought)
        return (core, canvas), decision

    def placed(self, patch: Tensor, location: Tensor) -> Tensor:
        """(B, K, G, G) of a look at (B, 2) -> (B, K, h, w), 0 where nothing was shown."""
        side = patch.shape[2]
        y, down = self._pixel(location[:, 1], self.maps.size[0], self.window[0], side)
        x, across = self._pixel(location[:, 0], self.maps.size[1], self.window[1], side)
        which = (y[:, :, None] * side + x[:, None]).flatten(1)
        shown = (down[:, :, None] & across[:, None]).flatten(1)
        taken = patch.flatten(2).gather(2, which[:, None].expand(-1, patch.shape[1], -1))
        return (taken * shown[:, None]).unflatten(2, self.maps.size)

    @staticmethod
    def _pixel(at: Tensor, count: int, window: float, side: int) -> tuple[Tensor, Tensor]:
        """(B,) where a look fell -> (B, count): each place's pixel, and whether it has one."""
        place = (torch.arange(count, device=at.device) + 0.5) / count * 2 - 1
        pixel = (((place - at[:, None]) / window + 1) / 2 * side).floor()
        return pixel.clamp(0, side - 1).long(), (pixel >= 0) & (pixel < side)
