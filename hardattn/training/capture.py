"""An update as one launch: a CUDA graph of all its kernels, recorded once and then replayed.

An update of a small recurrent agent is hundreds of kernels that take less time than their launches.
What an update does to its tensors is one function, `loop.Training.step`; it is called, or what it
did once is replayed. So it may depend on nothing but tensors that stay where they are, on what it
is recorded anew for (its `kind`), and on generators, which are seeded before it as ever.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

WARM = 3  # calls before a step is recorded: what is made at first use is there by then
Step = Callable[..., None]  # of tensors alone


class Called:
    """Launches a step by calling it, each time."""

    def __call__(self, kind: Hashable, step: Step, *given: Tensor) -> None:
        """Do one step with these tensors."""
        step(*given)


class Captured:
    """Launches a step by replaying what it did once, after a few calls of it.

    Args:
        learners: Whose buffers stay where they are, although a step may replace them.
        record: Makes of a function of nothing another one, which does the same anew.
        aside: Calls a function of nothing in the way in which it will be recorded.
    """

    def __init__(
        self,
        learners: Iterable[nn.Module],
        record: Callable[[Callable[[], None]], Callable[[], None]],
        aside: Callable[[Callable[[], None]], None],
    ):
        self.learners, self.record, self.aside = [*learners], record, aside
        self.kind: Hashable = None
        self.calls = 0
        self.given: tuple[Tensor, ...] = ()
        self.again: Callable[[], None] | None = None
        self.buffers: list[tuple[nn.Module, str, Tensor]] | None = None

    def __call__(self, kind: Hashable, step: Step, *given: Tensor) -> None:
        """Do one step with these tensors; kind: of one kind all steps launch the same kernels.

        Kinds follow each other: what was recorded of the one before is let go.
        """
        if kind != self.kind:
            self.again = None
            self.kind, self.calls = kind, 0
            self.given = tuple(one.clone() for one in given)
        for mine, one in zip(self.given, given, strict=True):
            mine.copy_(one)
        if self.again is not None:
            self.again()
        elif self.calls < WARM:
            self.calls += 1
            self.aside(lambda: self._anchored(step))
        else:
            self.again = self.record(lambda: self._anchored(step))
            self.again()

    def _anchored(self, step: Step) -> None:
        """The step, after which every buffer is the tensor that it was."""
        if self.buffers is None:
            modules = [module for each in self.learners for module in each.modules()]
            self.buffers = [
                (module, name, buffer)
                for module in modules
                for name, buffer in module.named_buffers(recurse=False)
            ]
        step(*self.given)
        with torch.no_grad():
            for module, name, buffer in self.buffers:
                now = getattr(module, name)
                if now is not buffer:
                    setattr(module, name, buffer.copy_(now))


def launcher(
    wanted: bool | None,
    obstacle: str,
    generators: Sequence[torch.Generator],
    learners: Iterable[nn.Module],
) -> Called | Captured:
    """Who launches the steps of a training.

    wanted: whether they are to be captured; None: where they can be. obstacle: why they cannot be,
    in words; "" if nothing is known that forbids it. generators: that they draw from, beside the
    global one. Raises ValueError, one line, for what is wanted and cannot be.
    """
    if wanted and obstacle:
        raise ValueError(f"this training cannot be captured: {obstacle}. Use --capture False")
    if obstacle or wanted is False:
        return Called()
    graphs = _Graphs(generators)
    return Captured(learners, graphs.record, graphs.aside)


class _Graphs:
    """Records on a stream of its own, on the device of the generators."""

    def __init__(self, generators: Sequence[torch.Generator]):
        self.generators, self.device = generators, generators[0].device
        self.stream: Any = torch.cuda.Stream(self.device)

    def aside(self, act: Callable[[], None]) -> None:
        """Do it on the stream on which it will be recorded."""
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            act()
        here.wait_stream(self.stream)

    def record(self, act: Callable[[], None]) -> Callable[[], None]:
        """What replays it. Raises ValueError where it does what no graph can hold."""
        graph: Any = torch.cuda.CUDAGraph()
        # The global one is registered by torch.
        for generator in self.generators:
            graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                act()
        except RuntimeError as fault:
            raise ValueError(
                "this training cannot be captured as a CUDA graph "
                f"({str(fault).splitlines()[0]}): the same command with --capture False goes on"
            ) from fault
        replay: Callable[[], None] = graph.replay
        return replay
