"""Catch: a world that changes while it is looked at, and in which looking is half of what is done.

The game of Mnih, Heess, Graves and Kavukcuoglu (2014, arXiv:1406.6247): on a screen of 24 x 24
binary pixels a ball of one pixel falls from the top, a row at a time, bouncing off the sides; at
the bottom is a paddle of two pixels. Who looks also plays, and wins 1 for a ball that was caught.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn import rng
from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes import Scenes
from hardattn.sensors import Sensor
from hardattn.tasks import Classify
from hardattn.world import Observation, World

ENDS = ("missed", "caught")
PADDLE = 2  # pixels
CERTAIN = 30.0  # logit of how a game ended, which is no opinion


def catch(
    split: Split, index: Tensor, generator: Generator | None = None, *, canvas: int = 24
) -> Scenes:
    """The screen at the start of a game; the boxes are the ball, one a row, from the first on.

    Where the ball starts is uniform, as are its columns a row, from -1 to 1, and the place of the
    paddle. The target is always "caught". No image and no label of the split is used.

    Departures: the paper does not say how steeply the ball falls, or where the paddle starts.

    Args:
        canvas: Height and width in pixels, or one number for a square.
    """
    count, device, like = len(index), index.device, torch.empty(0)
    start = rng.uniform(0.0, canvas, (count, 1), generator, device)
    slope = rng.uniform(-1.0, 1.0, (count, 1), generator, device)
    paddle = rng.below(canvas - PADDLE + 1, (count, 1), generator, device)
    row = torch.arange(canvas, device=device)
    # Between mirrors the ball goes straight on, in every second image the other way round.
    along = (start + slope * row).remainder(2 * canvas)
    column = torch.minimum(along, 2 * canvas - along).long().clamp(max=canvas - 1)
    corner = torch.stack([column, row.expand_as(column)], -1)
    box = torch.cat([corner, corner + 1], -1).to(like.dtype) / canvas * 2 - 1
    game = Game(column, torch.zeros(count, dtype=torch.int64, device=device), paddle[:, 0])
    target = torch.full((count,), ENDS.index("caught"), device=device)
    return Scenes(_screen(game), target, box, index)


class Game(NamedTuple):
    """B games on square screens."""

    flight: Tensor  # (B, H) int64, the ball's column at each row
    row: Tensor  # (B,) int64, where the ball is
    paddle: Tensor  # (B,) int64, the column of its left pixel

    @property
    def caught(self) -> Tensor:
        """(B,) bool: the ball is down, and on the paddle."""
        over = self.flight[:, -1] - self.paddle
        return (self.row == self.flight.shape[1] - 1) & (over >= 0) & (over < PADDLE)


class Catch(World):
    """Games of `catch`, as many rows high as there are looks.

    A place is (x, y, action): at a third of [-1, 1] each, the paddle moves a pixel to the left,
    stays, or moves to the right. Then the ball falls a row, and the look falls on the screen as it
    is then. The reward is 1 at the last look if the ball was caught, and nothing is lost. What the
    agent answers is not asked: the answer is how the game ends, "missed" until it was won.

    sensor: a retina (in the paper 6 x 6 with 3 scales), or any whose places are points.
    """

    changes = True
    asks = False
    judged_at_end = False  # but by how the game ends

    def __init__(
        self,
        sensor: Sensor,
        looks: int = 24,
        first: str = "random",
        context: str = "none",
        reach: float | None = None,
    ):
        super().__init__(sensor, Classify(len(ENDS), bonus=1.0), looks, first, context, reach)
        if sensor.places != 2:
            raise ValueError(f"who plays looks at points, not at {sensor.places} numbers")
        self.places = 3

    def open(self, scenes: Scenes) -> Game:
        _, height, width = scenes.shape
        if not height == width == self.horizon:
            raise ValueError(
                f"a game of {self.horizon} looks has a screen as high and wide, not of "
                f"{height}x{width} pixels"
            )
        middle = (scenes.box[..., 0] + scenes.box[..., 2]) / 2
        flight = ((middle + 1) / 2 * width).floor().long()
        paddle = scenes.image[:, 0, -1].argmax(-1)
        return Game(flight, torch.zeros_like(paddle), paddle)

    def first(self, scenes: Scenes, generator: Generator | None = None) -> Tensor:
        return F.pad(super().first(scenes, generator), (0, 1))

    def place(self, location: Tensor, before: Tensor | None = None) -> Tensor:
        eye = super().place(location[..., :2], None if before is None else before[..., :2])
        action = (1.5 * self.sensor.bound(location[..., 2:])).round().clamp(-1, 1)
        return torch.cat([eye, action], -1)

    def advance(self, view: Game, place: Tensor) -> Game:
        last = view.flight.shape[1] - 1
        paddle = view.paddle + place[:, 2].long()
        return Game(
            view.flight,
            (view.row + 1).clamp(max=last),
            paddle.clamp(0, last + 1 - PADDLE),
        )

    def observe(self, view: Game, place: Tensor, look: int) -> Observation:
        step = place.new_full(place.shape[:1], look / self.horizon)
        glimpse = self.sensor.look(self.sensor.open(_screen(view)), place[:, :2])
        return Observation(glimpse, place, step)

    def picture(self, view: Game) -> Tensor:
        """The screen as it is: (B, 1, H, H) uint8."""
        return _screen(view)

    def answers(self, view: Game, logits: Tensor) -> Tensor:
        won = CERTAIN * F.one_hot(view.caught.long(), len(ENDS)).to(logits)
        return torch.cat([torch.zeros_like(logits[1:]), won[None]])

    def outcome(
        self, view: Any, logits: Tensor, target: Tensor, final: Tensor
    ) -> tuple[Tensor, Tensor]:
        reward, loss = super().outcome(view, logits, target, final)
        return reward, torch.zeros_like(loss)


def _screen(game: Game) -> Tensor:
    """(B, 1, H, H) uint8."""
    count, side = game.flight.shape
    ball = side * game.row + game.flight.gather(1, game.row[:, None])[:, 0]
    left = side * (side - 1) + game.paddle
    lit = torch.stack([ball, *(left + pixel for pixel in range(PADDLE))], 1)
    screen = torch.zeros(count, side * side, dtype=torch.uint8, device=lit.device)
    return screen.scatter_(1, lit, 255).view(count, 1, side, side)
