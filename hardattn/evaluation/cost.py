"""What looking costs: weights, operations and pixels, which no machine changes; memory and time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import finalize

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from hardattn.rollout import Agent, Draw, greedy
from hardattn.scenes import Scenes
from hardattn.world import World

BATCH = 128  # images at a time, where throughput is measured
PASSES = 5  # timed at least, of each kind
SECONDS = 0.6  # for the passes of each kind, by their clock, if that many more fit


def _lstm(sequence: Tensor, above: Tensor, before: Tensor, *rest: Any, **named: Any) -> int:
    """Of a layer of nn.LSTM on the CPU: (T, B, F), two of its weights."""
    steps, batch = sequence.shape[:2]
    return 2 * steps * batch * (above.numel() + before.numel())


def _cudnn(sequence: Tensor, weights: list[Tensor], *rest: Any, **named: Any) -> int:
    """Of a whole nn.LSTM, GRU or RNN on a GPU: every matrix meets every element of the batch."""
    elements = sequence.shape[0] * sequence.shape[1]
    return 2 * elements * sum(weight.numel() for weight in weights if weight.dim() > 1)


def _attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any) -> int:
    """Of the fused kernel on the CPU: (B, heads, N, D) queries by keys, then weights by values."""
    batch, heads, asking, width = query.shape
    return 2 * batch * heads * asking * key.shape[2] * (width + value.shape[3])


def _bilinear(*arguments: Any, out_val: Tensor, **named: Any) -> int:
    """Each number read is a sum of four, weighted; what makes the weights is not counted."""
    return 8 * out_val.numel()


def _sampled(image: Tensor, grid: Tensor, mode: int, *rest: Any, out_val: Tensor) -> int:
    return 0 if mode == 1 else _bilinear(out_val=out_val)  # 1 is the nearest pixel


def _grid(*arguments: Any, out_val: Tensor, **named: Any) -> int:
    """An affine map of (x, y, 1) to each of two coordinates."""
    return 2 * 3 * out_val.numel()


def _distances(one: Tensor, other: Tensor, *rest: Any, out_val: Tensor) -> int:
    """Of each pair of points: differences, squares, their sum."""
    return 3 * out_val.numel() * one.shape[-1]


def _product(matrix: Tensor, vector: Tensor, **named: Any) -> int:
    return 2 * matrix.numel()


# What multiplies and sums, and has no formula of torch's.
FORMULAS: dict[Any, Any] = {
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten._cudnn_rnn: _cudnn,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten.grid_sampler_2d: _sampled,
    torch.ops.aten.affine_grid_generator: _grid,
    torch.ops.aten.upsample_bilinear2d: _bilinear,
    torch.ops.aten._cdist_forward: _distances,
    torch.ops.aten.mv: _product,
    torch.ops.aten.dot: _product,
}


# What makes tensors without a number in them being worked on.
FREE = {
    *(torch.ops.aten._unsafe_view, torch.ops.aten.unsafe_split, torch.ops.aten.detach),
    *(torch.ops.aten.empty, torch.ops.aten.empty_like, torch.ops.aten.new_empty),
}


class Operations(TorchDispatchMode):
    """Adds up what torch's own formulas say of every operation inside, and ours where it has none.

    total: floating-point operations, two for a product and its sum. uncounted: the numbers that all
    other operations made, elementwise, norms, softmax, pooling, copies. names: what these were.
    torch's FlopCounterMode also says in which module, which fails where a module differentiates.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = self.uncounted = 0
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        operation = func._overloadpacket
        formula = flop_registry.get(operation) or FORMULAS.get(operation)
        if formula is not None:
            self.total += int(formula(*args, **kwargs, out_val=out))
        elif not (func.is_view or operation in FREE):
            made = sum(_numbers(each) for each in tree_leaves(out))
            self.uncounted += made
            if made:
                self.names.add(operation.__name__)
        return out


def _numbers(value: Any) -> int:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.numel() if floating else 0


class Memory(TorchDispatchMode):
    """Bytes of all tensors that are alive at a time, of those it was shown or saw in an operation.

    Exact, and the same whenever it is measured: storages are counted once, from when they are made
    or first used until they are freed. What a kernel needs for itself is not seen.
    """

    def __init__(self, *held: Tensor) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._sizes: dict[int, int] = {}
        self._note(held)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._note(tree_leaves((args, kwargs, out)))
        return out

    def _note(self, values: Any) -> None:
        for value in values:
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                key = storage._cdata
                if key not in self._sizes:
                    self._sizes[key] = storage.nbytes()
                    self.alive += storage.nbytes()
                    finalize(storage, self._forget, key).atexit = False
        self.peak = max(self.peak, self.alive)

    def _forget(self, key: int) -> None:
        self.alive -= self._sizes.pop(key)


def episode(
    agent: Agent,
    world: World,
    scenes: Scenes,
    draw: Draw = greedy,
    generator: torch.Generator | None = None,
    whole: bool = False,
) -> Iterator[Tensor]:
    """Looks as in use, and gives (B, K), the answer, after each: no densities, no losses.

    Over as soon as every image's agent has stopped; `whole`: only after the world's last look.
    """
    view = world.open(scenes)
    place = world.place(world.first(scenes, generator))
    state = agent.start(world.context(scenes))
    going = torch.ones_like(place[:, 0])
    for look in range(world.looks):
        state, decision = agent.step(state, world.observe(view, place, look))
        yield decision.logits
        if look + 1 == world.looks:
            return
        if decision.halt is not None and not whole:
            going = going * (1 - decision.halt.mode)
            if not going.any():
                return
        # Not `greedy` itself, which weighs the place as well.
        where = decision.location
        asked = where.mode_or_draw(generator) if draw is greedy else draw(where, generator)[0]
        place = world.place(asked, place)
        view = world.advance(view, place)


def operations(
    agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy
) -> tuple[list[int], int]:
    """For one image: `Operations.total` up to each of T looks, and `Operations.uncounted` in all.

    scenes: any; the first is looked at. Nobody stops before the world does.
    """
    generator = torch.Generator(scenes.box.device).manual_seed(0)
    with torch.no_grad(), Operations() as counter:
        looked = episode(agent, world, scenes.slice(0, 1), draw, generator, whole=True)
        after = [counter.total for _ in looked]
    return after, counter.uncounted


def flops(agent: Agent, world: World, scenes: Scenes, draw: Draw = greedy) -> int:
    """Floating-point operations of one image's episode: two for a product and its sum.

    In matrix products, convolutions, recurrent layers, interpolation and distances; everything else
    (elementwise, norms, pooling, sampling, sorting) is not counted. scenes: as in `operations`.
    """
    return operations(agent, world, scenes, draw)[0][-1]


def memory(agent: Any, world: World, scenes: Scenes, draw: Draw = greedy) -> int:
    """Peak bytes while these scenes are looked at: weights, images and all that is made on the way.

    On the CPU by `Memory`; on a GPU by its allocator, which rounds up and has kernels' workspaces.
    """
    held = [*agent.parameters(), *agent.buffers()]
    given = scenes.each(Tensor.clone)  # a slice holds all that it was cut from
    device = given.device
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            for _ in episode(agent, world, given, draw, generator, whole=True):
                pass
            made = torch.cuda.max_memory_allocated(device) - before
            return made + sum(each.untyped_storage().nbytes() for each in (*held, *given.tensors()))
        with Memory(*held, *given.tensors()) as watched:
            for _ in episode(agent, world, given, draw, generator, whole=True):
                pass
    return watched.peak


def measure(
    agent: Any, world: World, scenes: Scenes, draw: Draw = greedy, timed: bool = True
) -> dict[str, Any]:
    """All costs of an agent in evaluation mode, on the device of the scenes, as plain values.

    Weights, operations, pixels and memory in bytes are the same whenever they are measured. `times`
    are not: without `timed` they are left out. Takes one or two seconds.
    """
    image = scenes.shape
    told = world.context_shape(image)
    before, look = told[1] * told[2] if len(told) == 3 else 0, world.sensor.pixels(image)
    after, uncounted = operations(agent, world, scenes, draw)
    batch = min(BATCH, world.at_once(scenes), len(scenes))
    with _one_thread():
        peak = {n: memory(agent, world, scenes.slice(0, n), draw) for n in (1, batch)}
    found = {
        "parameters": sum(weight.numel() for weight in agent.parameters()),
        "flops": after[-1],
        "flops_after": after,
        "uncounted": uncounted,
        "pixels": before + world.looks * look,
        "pixels_after": [before + (taken + 1) * look for taken in range(world.looks)],
        "memory": {
            "weights": sum(weight.nbytes for weight in agent.parameters()),
            "one": peak[1],
            "batch": peak[batch],
        },
        "threads": 1,
    }
    return found | (times(agent, world, scenes, draw) if timed else {})


def times(agent: Any, world: World, scenes: Scenes, draw: Draw = greedy) -> dict[str, Any]:
    """`latency` and `throughput`, in seconds of warm passes by one thread, each over other scenes.

    On the CPU those that the processor worked for this process, to which other programs add
    nothing; on a GPU those that passed. `clock` says which. Each has the median of its passes and
    their quartiles. latency: of one image, until the agent stops; `after`: until it has answered
    after each look. throughput: of BATCH images at a time, fewer where there are fewer.
    """
    batch = min(BATCH, world.at_once(scenes), len(scenes))
    with _one_thread():
        one = _timed(agent, world, scenes, draw, 1)
        many = _spread(_timed(agent, world, scenes, draw, batch), scenes.device)
    answers = range(max(map(len, one)))
    return {
        "latency": {
            **_spread(one, scenes.device),
            "after": [
                _quantile([after[taken] for after in one if len(after) > taken], 0.5)
                for taken in answers
            ],
        },
        "throughput": {"batch": batch, "images_per_second": batch / many["seconds"], **many},
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _timed(agent: Any, world: World, scenes: Scenes, draw: Draw, batch: int) -> list[list[float]]:
    """Seconds from the start of a pass to the answer after each look; PASSES at least."""
    device = scenes.device
    now = time.process_time if device.type == "cpu" else time.perf_counter
    generator = torch.Generator(device).manual_seed(0)
    starts = range(0, len(scenes) - batch + 1, batch)
    passes: list[list[float]] = []
    until = None
    with torch.no_grad():
        # The first pass warms up, and counts for nothing.
        while until is None or len(passes) <= PASSES or now() < until:
            start = starts[len(passes) % len(starts)]
            part = scenes.slice(start, start + batch)
            _wait(device)
            since, after = now(), []
            for _ in episode(agent, world, part, draw, generator):
                _wait(device)
                after.append(now() - since)
            passes.append(after)
            until = until or now() + SECONDS
    return passes[1:]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _spread(passes: list[list[float]], device: torch.device) -> dict[str, Any]:
    whole = [after[-1] for after in passes]
    low, middle, high = (_quantile(whole, share) for share in (0.25, 0.5, 0.75))
    return {
        "seconds": middle,
        "quartiles": [low, high],
        "clock": "processor" if device.type == "cpu" else "wall",
        "passes": len(passes),
    }


def _quantile(values: list[float], share: float) -> float:
    return torch.tensor(values, dtype=torch.float64).quantile(share).item()
