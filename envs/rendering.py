"""How an environment looks to us: the scene with the path so far, the glimpses, the belief."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardattn.sensors import Retina
from hardattn.tasks import apart

from .actions import Act
from .stepping import Stepping

SIDE = 240  # pixels of the scene, of its glimpses and of the belief
BARS = 10  # answers of which the belief is shown
GAP = 12

Picture = NDArray[np.uint8]


class Renderer:
    """Keeps where B environments have looked and what they answered, and draws them.

    Which answer is right, and where the target lies, is drawn once the episode has ended, or all
    along where the environment is to reveal it: a picture may be somebody's observation.

    A world whose scenes change may have a method `picture(view)`, (B, C, H, W) uint8 of them as
    they are; otherwise a scene is shown as it began.
    """

    def __init__(self, stepping: Stepping, answers: tuple[str, ...]):
        self.stepping, self.answers = stepping, answers
        self.place = self.glimpse = self.belief = torch.empty(0)

    def note(self, act: Act | None = None) -> None:
        """After a reset, or after what an action did."""
        stepping = self.stepping
        seen, looks = stepping.seen, stepping.world.looks
        assert seen is not None
        if not len(self.place):
            self.place = seen.location.new_zeros(looks, *seen.location.shape)
            self.glimpse = seen.glimpse.new_zeros(looks, *seen.glimpse.shape)
            self.belief = self._unsaid(stepping.count)
        look = torch.as_tensor(stepping.look, device=stepping.device)
        self.place[look, stepping.row] = seen.location
        self.glimpse[look, stepping.row] = seen.glimpse
        if act is not None:
            self.belief = act.likelihood(stepping.world.task)

    def picture(self, row: int) -> Picture:
        """(H, W, 3) uint8 of one environment; of the same size at every step."""
        from hardattn.viz.pictures import path_picture, seen_glimpses

        stepping, world = self.stepping, self.stepping.world
        sensor, scenes = world.sensor, stepping.episodes.scenes
        look = int(torch.as_tensor(stepping.look).expand(stepping.count)[row])
        over = bool(torch.as_tensor(stepping.over).expand(stepping.count)[row])
        now = getattr(world, "picture", None)
        image = scenes.slice(row, row + 1).image[0] if now is None else now(stepping.view)[row]
        size, scales = (sensor.size, sensor.scales) if isinstance(sensor, Retina) else (0, 1)
        path = world.point(self.place[: look + 1, row]).cpu()
        told = over or stepping.reveal
        box = scenes.box[row].cpu() if told else None
        parts = [path_picture(image.cpu(), path, size, scales, box, side=SIDE)]
        glimpse = self.glimpse[:, row].cpu().clone()
        glimpse[look + 1 :] = 0
        corners = None
        if isinstance(sensor, Retina):
            corners = sensor.corners(self.place[:, row], (image.shape[1], image.shape[2])).cpu()
        parts.append(seen_glimpses(glimpse, sensor, SIDE, corners=corners))
        if self.answers:
            truth = int(scenes.target[row]) if told and scenes.target.dim() == 1 else None
            belief = (self.belief[row] if look or over else self._unsaid(1)[0]).cpu()
            # Of several questions at once, the mean: how often each answer is given.
            belief = belief if belief.dim() == 1 else belief.mean(0)
            parts.append(bars(self.answers, belief.numpy(), truth))
        return beside(parts)

    def _unsaid(self, count: int) -> Tensor:
        """What so many who said nothing yet believe."""
        task = self.stepping.world.task
        return apart(torch.zeros(count, task.classes, device=self.stepping.device), task)


def bars(names: Sequence[str], belief: Any, truth: int | None = None) -> Picture:
    """A bar each for the ten most probable answers, the true one in green; (SIDE, SIDE, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    from hardattn.viz.pictures import BOX, INK, PAPER, RIGHT

    shown = np.sort(np.argsort(-np.asarray(belief), kind="stable")[:BARS])
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    pen, high = ImageDraw.Draw(canvas), SIDE // BARS
    font, half = ImageFont.load_default(high // 2), SIDE // 2
    for number, answer in enumerate(shown):
        top = number * high
        pen.text((half - 6, top + high // 2), names[answer][:16], INK, font, anchor="rm")
        end = half + float(belief[answer]) * (half - 4)
        colour = RIGHT if answer == truth else BOX
        pen.rectangle((half, top + 3, max(end, half + 1), top + high - 4), fill=colour)
    return np.asarray(canvas)


def beside(parts: Sequence[Picture]) -> Picture:
    """Pictures next to each other on white, tops in line; sides even, as video wants them."""
    high = max(part.shape[0] for part in parts)
    wide = sum(part.shape[1] for part in parts) + GAP * (len(parts) - 1)
    canvas = np.full((high + high % 2, wide + wide % 2, 3), 255, np.uint8)
    left = 0
    for part in parts:
        canvas[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + GAP
    return canvas


class Window:
    """Pictures in a window of matplotlib; where it has no display, in none."""

    def __init__(self, rate: float):
        from matplotlib import pyplot

        self.pyplot, self.pause = pyplot, 1 / rate
        self.figure, axes = pyplot.subplots(layout="constrained")
        axes.set_axis_off()
        self.axes = axes
        self.drawn: Any = None

    def show(self, picture: Picture) -> None:
        """Show this one from now on."""
        if self.drawn is None:
            self.drawn = self.axes.imshow(picture)
        self.drawn.set_data(picture)
        if self.figure.canvas.required_interactive_framework is None:
            self.figure.canvas.draw()
        else:
            self.pyplot.pause(self.pause)

    def close(self) -> None:
        """Close it."""
        self.pyplot.close(self.figure)
