"""How learning goes: running sums on the device, the clock, and the verdict on each update."""

import time
from typing import Any

import torch
from torch import Tensor

from hardattn.estimators import Loss
from hardattn.evaluation.evaluate import correct_so_far
from hardattn.scenes import Scenes, inside
from hardattn.world import World


class NotFinite(RuntimeError):
    """A loss or a gradient was not finite; the weights are those before that update."""


class Stopwatch:
    """Training time over all restarts, without validation and checkpoints."""

    def __init__(self, seconds: float = 0.0, cpu_seconds: float = 0.0):
        self.seconds, self.cpu_seconds = seconds, cpu_seconds  # on the wall, of this process
        self.start()

    def start(self) -> None:
        """Training goes on from here."""
        self._since, self._cpu_since = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Up to here it was training."""
        self.seconds += time.perf_counter() - self._since
        self.cpu_seconds += time.process_time() - self._cpu_since
        self.start()


class TrainingMetrics:
    """Running sums on the device: nothing is read back at an update.

    Of two spans, a row each: since the last validation, and since `recent` was last asked for.
    """

    names = ("loss", "reward", "correct", "hit", "value_misfit", "gradient_norm", "entropy")

    def __init__(self, device: torch.device):
        self.sums = torch.zeros(2, len(self.names), device=device)
        self.count = torch.zeros(2, 1, device=device)
        self.broken = torch.zeros((), device=device)
        self.sound = torch.zeros((), device=device)

    def guard(self, descent: Any, total: Tensor, norm: Tensor) -> None:
        """Make this and every later update void once a loss or gradient is not finite.

        Fused optimisers take the verdict as a tensor (it is how gradient scaling skips a step), so
        the update is stopped without reading anything back.
        """
        finite = torch.isfinite(norm) & torch.isfinite(total)
        self.broken = torch.maximum(self.broken, (~finite).to(self.broken.dtype))
        self.sound = self.sound + (1 - self.broken)
        descent.found_inf = self.broken

    def add(self, loss: Loss, norm: Tensor, scenes: Scenes, world: World) -> None:
        """Add one update's figures."""
        with torch.no_grad():
            path = loss.path
            point = world.point(world.path(path.location))[1:]
            copies = point.shape[1] // len(scenes)
            box = scenes.box.repeat_interleave(copies, 0)
            hit = inside(point, box)
            target = scenes.target.repeat_interleave(copies, 0)
            row = torch.arange(world.looks, device=hit.device)[:, None]
            last = torch.minimum(row, path.alive.sum(0).long() - 1)
            answer = path.logits.argmax(-1).gather(0, last)
            chosen = path.alive[1:] / path.alive[1:].sum().clamp(min=1)
            # Of images without a target nobody can say whether it was hit: of no other, NaN.
            told = path.alive[1:] * (~box.isnan().any(-1)).any(-1)
            row = torch.stack(
                [
                    (path.loss + path.cost).sum(0).mean(),
                    path.reward.sum(0).mean(),
                    correct_so_far(answer.T, target)[:, -1].to(norm.dtype).mean(),
                    (hit * told).sum() / told.sum(),
                    loss.advantage.pow(2).mean(),
                    norm,
                    (path.entropy[1:] * chosen).sum(),
                ]
            )
            self.sums, self.count = self.sums + row, self.count + 1

    def means(self) -> dict[str, float]:
        """What was added since the last validation, averaged."""
        return self._means(0)

    def recent(self) -> dict[str, float]:
        """What was added since this was last asked for, averaged."""
        found = self._means(1)
        self.sums[1], self.count[1] = 0.0, 0.0
        return found

    def _means(self, span: int) -> dict[str, float]:
        return dict(zip(self.names, (self.sums[span] / self.count[span]).tolist(), strict=True))

    def stop_if_not_finite(self) -> None:
        """Raise NotFinite if an update was void."""
        if self.broken.item():
            raise NotFinite(
                f"the loss or its gradient was not finite at update {int(self.sound.item()) + 1}; "
                "no weight was changed by it. Lower the learning rate (--lr) or clip the gradient "
                "(--max-grad-norm)"
            )

    def clear(self) -> None:
        """A validation is over."""
        self.sums[0], self.count[0] = 0.0, 0.0

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"sums": self.sums, "count": self.count}

    def take_up(self, state: dict[str, Tensor], done: int) -> None:
        """Go on from a checkpoint after that many updates; older ones have the first span alone."""
        self.sums = state["sums"].to(self.sums).expand_as(self.sums).clone()
        self.count = state["count"].to(self.count).expand_as(self.count).clone()
        self.sound = self.sound + done
