"""Agents for those who have no hardattn: graphs of torch.export, and ONNX.

Of an agent that looks there are two: `start`, context -> state, and `step`, (state, glimpse, place,
step) -> (state, next place, logits), and whether to stop where it decides so. Nothing is drawn:
the next place is the most probable, or the mean where looks are soft. Where it falls, and what is
seen there, is the world's to say. Of an agent that sees everything at once there is one,
`forward`, images -> logits. The first dimension of all that goes in and out is the batch, of any
size.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten

from hardattn.distributions import Delta, Stop
from hardattn.rollout import Decision, Draw, greedy, soft
from hardattn.scenes import Scenes
from hardattn.world import Observation, World

SUFFIX = ".onnx"
# Logits of a stop that is decided.
CERTAIN = 100.0


class ExportError(ValueError):
    """An agent has no graph; the message says why."""


class Start(nn.Module):
    """(B, ...) context -> the state before the first look, a tuple of tensors."""

    def __init__(self, agent: Any):
        super().__init__()
        self.agent = agent

    def forward(self, context: Tensor) -> tuple[Tensor, ...]:
        # A graph may not hand out what it was given, or the same tensor twice.
        return tuple(each.clone() for each in tree_leaves(self.agent.start(context)))


class Step(nn.Module):
    """One look: a state as `Start` gives it, (B, ...) glimpse, (B, P) place, (B,) step.

    -> the next state, the next place (B, P), logits (B, K); if the agent decides when to stop, also
    (B,) 1.0 where it has enough.
    """

    def __init__(self, agent: Any, state: TreeSpec, draw: Draw):
        super().__init__()
        self.agent, self.state, self.soft = agent, state, draw is soft

    def forward(
        self, state: tuple[Tensor, ...], glimpse: Tensor, location: Tensor, step: Tensor
    ) -> tuple[Tensor, ...]:
        seen = Observation(glimpse, location, step)
        after, decision = self.agent.step(tree_unflatten(state, self.state), seen)
        where = decision.location
        place = where.mean if self.soft else where.mode
        stop = () if decision.halt is None else (decision.halt.mode,)
        return (*(each.clone() for each in tree_leaves(after)), place, decision.logits, *stop)


class Forward(nn.Module):
    """(B, C, H, W) images in [0, 1] -> (B, K) logits, of an agent that takes one look."""

    def __init__(self, agent: Any, places: int):
        super().__init__()
        self.agent, self.places = agent, places

    def forward(self, images: Tensor) -> Tensor:
        step = torch.zeros_like(images[:, 0, 0, 0])
        place = step[:, None].expand(-1, self.places)
        state = self.agent.start(place[:, :0])
        return self.agent.step(state, Observation(images, place, step))[1].logits


def programs(
    agent: nn.Module, world: World, scenes: Scenes, draw: Draw = greedy
) -> dict[str, ExportedProgram]:
    """The graphs of an agent in evaluation: {"forward": ...}, or {"start": ..., "step": ...}.

    scenes: three at least, for their shapes. draw: greedy or soft. Raises ExportError where an
    agent decides nothing, but draws.
    """
    if draw not in (greedy, soft):
        raise ExportError("a graph looks greedily or softly: it has no noise to draw with")
    some, training = scenes.slice(0, 3), agent.training
    agent.eval()
    try:
        with torch.no_grad():
            place = world.place(world.first(some, torch.Generator().manual_seed(0)))
            seen = world.observe(world.open(some), place, 0)
            context = world.context(some)
            if world.sensor.everything and world.looks == 1 and context.shape[1:] == (0,):
                return {"forward": _export(Forward(agent, world.places), (seen.glimpse,))}
            leaves, tree = tree_flatten(agent.start(context))  # type: ignore[operator]
            state = tuple(each.clone() for each in leaves)
            return {
                "start": _export(Start(agent), (context,)),
                "step": _export(Step(agent, tree, draw), (state, *seen)),
            }
    except NotImplementedError as fault:
        raise ExportError("its looks are drawn, and a graph draws nothing") from fault
    finally:
        agent.train(training)


def _export(graph: nn.Module, arguments: tuple[Any, ...]) -> ExportedProgram:
    batch = Dim("batch")
    shapes = tree_map(lambda each: {0: batch}, arguments)
    with _without_noise():
        made = torch.export.export(graph.eval(), arguments, dynamic_shapes=shapes)
    for part in made.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # names files of this machine, and is handed on
    return made


def to_onnx(graphs: dict[str, ExportedProgram], folder: Path) -> list[Path]:
    """Write NAME.onnx of each graph.

    start: context -> state_0, state_1, ...; step: these, glimpse, location, step -> next_0, next_1,
    ..., place, logits, and stop if there is one; forward: images -> logits.
    """
    from onnx_ir import Shape

    paths = []
    for name, graph in graphs.items():
        given, made = _names(name, graph)
        with _without_noise():
            program = torch.onnx.export(
                graph, dynamo=True, verbose=False, input_names=given, output_names=made
            )
        assert program is not None
        for value in (*program.model.graph.inputs, *program.model.graph.outputs):
            assert value.shape is not None
            value.shape = Shape(["batch", *value.shape[1:]])
        path = folder / f"{name}{SUFFIX}"
        program.save(str(path))
        paths.append(path)
    return paths


def _names(name: str, graph: ExportedProgram) -> tuple[list[str], list[str]]:
    """What goes into a graph and what comes out of it."""
    signature = graph.graph_signature
    takes, gives = len(signature.user_inputs), len(signature.user_outputs)
    if name == "forward":
        return ["images"], ["logits"]
    if name == "start":
        return ["context"], [f"state_{i}" for i in range(gives)]
    state = [f"state_{i}" for i in range(takes - 3)]
    made = [f"next_{i}" for i in range(takes - 3)] + ["place", "logits", "stop"]
    return [*state, "glimpse", "location", "step"], made[:gives]


class Deployed:
    """An agent of ONNX files, run by onnxruntime on the CPU: for `evaluate`, and as an example.

    folder: where `to_onnx` wrote. Its places are those that were decided; it has no gradient.
    """

    def __init__(self, folder: Path | str, threads: int = 1):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.sessions = {
            path.stem: onnxruntime.InferenceSession(str(path), options)
            for path in sorted(Path(folder).glob(f"*{SUFFIX}"))
        }
        if not self.sessions.keys() & {"forward", "step"}:
            raise ExportError(f"{folder}: no forward{SUFFIX} and no step{SUFFIX} in it")

    def start(self, context: Tensor) -> tuple[Tensor, ...]:
        return self._run("start", context) if "start" in self.sessions else ()

    def step(
        self, state: tuple[Tensor, ...], seen: Observation
    ) -> tuple[tuple[Tensor, ...], Decision]:
        nought = torch.zeros_like(seen.step)
        if "forward" in self.sessions:
            (logits,) = self._run("forward", seen.glimpse)
            return state, Decision(Delta(seen.location), logits, nought, nought)
        made = self._run("step", *state, *seen)
        place, logits, *stop = made[len(state) :]
        halt = Stop(CERTAIN * (2 * stop[0] - 1)) if stop else None
        return made[: len(state)], Decision(Delta(place), logits, nought, nought, halt)

    def _run(self, name: str, *given: Tensor) -> tuple[Tensor, ...]:
        session = self.sessions[name]
        names = [each.name for each in session.get_inputs()]
        feed = {name: each.cpu().numpy() for name, each in zip(names, given, strict=True)}
        return tuple(torch.from_numpy(each) for each in session.run(None, feed))


@contextmanager
def _without_noise() -> Iterator[None]:
    """torch's exporters warn of deprecations of their own, and of packages that nothing needs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
