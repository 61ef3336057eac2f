"""How learning goes: running sums on the device, the clock, and the verdict on each update."""

import time

import torch
from torch import Tensor

from hardattn.estimators import Loss
from hardattn.evaluation.evaluate import share_correct_so_far
from hardattn.rollout import branched
from hardattn.scenes import Scenes, inside
from hardattn.tasks import apart
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

    def guard(self, total: Tensor, norm: Tensor) -> Tensor:
        """The verdict, (): 1 makes this and every later update void once a number is not finite.

        A fused optimiser takes it as a tensor (it is how gradient scaling skips a step), so the
        update is stopped without reading anything back.
        """
        with torch.no_grad():
            # What is not finite is no 0 when multiplied by 0.
            broken = ((total + norm) * 0).ne(0)
            torch.maximum(self.broken, broken, out=self.broken)
            self.sound.add_(1).sub_(self.broken)
        return self.broken

    def add(self, loss: Loss, norm: Tensor, scenes: Scenes, world: World) -> None:
        """Add one update's figures."""
        with torch.no_grad():
            path = loss.path
            point = world.point(world.path(path.location))[1:]
            copies = path.alive.shape[1] // len(scenes)
            target, box = (branched(each, copies) for each in (scenes.target, scenes.box))
            last = path.alive.sum(0, keepdim=True).long() - 1
            row = torch.arange(world.looks, device=last.device)[:, None]
            held = torch.minimum(row, last)
            answer = apart(path.logits, world.task).argmax(-1)
            if answer.dim() > held.dim():  # several questions, whose rows end together
                held = held[..., None].expand(-1, -1, answer.shape[2])
            answer = answer.gather(0, held)
            right = share_correct_so_far(answer.transpose(0, 1), target)
            # Of images without a target nobody can say whether it was hit: of no other, NaN.
            told = path.alive[1:] * (~box.isnan().any(-1)).any(-1)
            row = torch.stack(
                [
                    (path.loss + path.cost).sum() / path.loss.shape[1],
                    path.reward.sum() / path.loss.shape[1],
                    right[:, -1].mean(dtype=norm.dtype),
                    (inside(point, box) * told).sum() / told.sum(),
                    loss.advantage.square().mean(),
                    norm,
                    (path.entropy * path.alive)[1:].sum() / path.alive[1:].sum().clamp(min=1),
                ]
            )
            self.sums += row
            self.count += 1

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
