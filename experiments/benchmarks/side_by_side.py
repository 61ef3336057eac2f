"""Several ways to do the same thing, timed in turn in one process, beside what the machine can do.

Times are of the processor's own clock, which other programs do not lengthen (on a GPU its own), of
many short rounds in which every way has its turn: the least says what the code costs, the median
whether it was undisturbed. A figure of one machine means little on another. So each stands beside
the machine's limit, found in the same run: the same matrix products, or copies, and nothing else.
"""

import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hardattn.storage import replace_text

from ..kinds import Json
from ..records.committed import STUDIES
from ..records.machine import made_with

SAVED = STUDIES / "bench"  # a file a machine
SIDE, BYTES = 512, 2**26  # of the product and the copy that tell what a machine can do
Way = Callable[[], float]  # does some of it, and returns the seconds that one took


class Times(NamedTuple):
    """Seconds that one of what is counted took, over all rounds."""

    least: float
    middle: float


class Machine(NamedTuple):
    """What was measured of a machine, beside what was asked."""

    gflops: float
    """Of products of 512x512 by the route that is used, in 10^9 operations a second."""
    gigabytes: float
    """A second, that are read and written where 64 MiB are copied."""


def repeated(
    call: Callable[[], object], items: int, least: float, device: torch.device | None = None
) -> Way:
    """The way of a call that does so many items: it is repeated for `least` seconds a round."""

    def way() -> float:
        return seconds(call, least, device) / items

    return way


def by_default(way: Way) -> Way:
    """The same way with the matrix product that PyTorch takes by itself: see `device.tune`."""

    def other() -> float:
        route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = route.fp32_precision
        route.fp32_precision = "none"
        try:
            return way()
        finally:
            route.fp32_precision = before

    return other


def seconds(
    call: Callable[[], object], least: float = 0.0, device: torch.device | None = None
) -> float:
    """Seconds a call: of this process on the CPU, of the device on a GPU."""
    if device is not None and device.type == "cuda":
        return _device_seconds(call, least)
    calls, since = 0, time.process_time()
    while calls < 1 or time.process_time() - since < least:
        call()
        calls += 1
    return (time.process_time() - since) / calls


def _device_seconds(call: Callable[[], object], least: float) -> float:
    """By the GPU's clock. It is waited for ever more rarely, so that calls follow each other."""
    calls, many, began = 0, 1, time.perf_counter()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    while calls < 1 or time.perf_counter() - began < least:
        for _ in range(many):
            call()
        calls, many = calls + many, 2 * many
        end.record()
        end.synchronize()
    return start.elapsed_time(end) / 1000 / calls


def rounds(ways: Mapping[str, Way], count: int, warm: bool = True) -> dict[str, Times]:
    """Every way in turn, so many times, after a turn that does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-int(warm), count):
        for name, way in ways.items():
            taken = way()
            if number >= 0:
                found[name].append(taken)
    return {name: Times(min(one), statistics.median(one)) for name, one in found.items()}


def machine(least: float = 0.1, device: torch.device | None = None, count: int = 3) -> Machine:
    """What this one can do, in this very moment."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(SIDE, SIDE, generator=generator).to(device) for _ in range(2))
    source = torch.zeros(BYTES, dtype=torch.uint8, device=device)
    copied = torch.zeros_like(source)
    ways = {
        "product": repeated(lambda: left @ right, 2 * SIDE**3, least, device),
        "copy": repeated(lambda: copied.copy_(source), 2 * BYTES, least, device),
    }
    found = rounds(ways, count)
    return Machine(*(round(1e-9 / found[name].least, 2) for name in ways))


def row(
    what: str,
    unit: str,
    times: Times,
    limit: Times | None = None,
    beside: tuple[str, Times] | None = None,
    **more: object,
) -> Json:
    """A line of a benchmark: how many a second, and what that is of what could be.

    limit: of the machine, doing the same products or copies and nothing else. beside: what it is
    compared with, by name; `ratio` is how many times as fast as that it is.
    """
    found = {"what": what, "unit": unit, "value": _digits(1 / times.least)}
    found["median"] = _digits(1 / times.middle)
    if limit is not None:
        found["limit"] = _digits(1 / limit.least)
        found["share"] = _digits(limit.least / times.least)
    if beside is not None:
        found["beside"] = beside[0]
        found["ratio"] = _digits(beside[1].least / times.least)
    return found | more


def price(
    what: str,
    unit: str,
    value: Times,
    limit: Times | None = None,
    beside: tuple[str, Times] | None = None,
    **more: object,
) -> Json:
    """The same of what is the better the less it is: seconds, megabytes."""
    found = row(what, unit, value, limit, beside, **more)
    found |= {"value": _digits(value.least), "median": _digits(value.middle)}
    return found | ({} if limit is None else {"limit": _digits(limit.least)})


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} %"


def _digits(value: float) -> float:
    """Five of them: more were not measured."""
    return float(f"{value:.5g}")


def show(rows: list[Json]) -> None:
    """A line a row."""
    for one in rows:
        parts = [f"{one['what']:46} {one['value']:>10,.5g} {one['unit']}"]
        parts.append(f"(median {one['median']:,.5g})")
        if "limit" in one:
            parts.append(f"limit {one['limit']:,.5g}: {percent(one['share'])} of it")
        if "ratio" in one:
            parts.append(f"{one['ratio']:.3g} x {one['beside']}")
        if "kernels" in one:
            parts.append(f"{one['kernels']} kernels an update")
        print("  ".join(parts))


def report(
    name: str,
    rows: list[Json],
    here: Machine,
    product: str,
    save: bool,
    device: torch.device | None = None,
) -> None:
    """Print a benchmark and what the machine could do; write it down, if asked."""
    print(f"{named(device)}: {here.gflops:,.4g} GFLOP/s in products, {here.gigabytes:,.4g} GB/s")
    show(rows)
    if save:
        print(keep(name, rows, here, product, device))


def keep(
    name: str,
    rows: list[Json],
    here: Machine,
    product: str,
    device: torch.device | None = None,
    folder: Path | None = None,
) -> Path:
    """Write a benchmark into the file of this machine, beside the others there."""
    where = device or torch.device("cpu")
    called, folder = named(device), SAVED if folder is None else folder
    path = folder / (re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-") + ".json")
    known: Json = json.loads(path.read_text()) if path.exists() else {"machine": called}
    measured = {"rows": rows, "limits": here._asdict(), "made_with": made_with(where, 1, product)}
    known["benchmarks"] = known.get("benchmarks", {}) | {name: measured}
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(known, indent=1) + "\n")
    return path


def named(device: torch.device | None = None) -> str:
    """The machine: the processor's name and its family, of which one name may have several."""
    name = str(made_with(device or torch.device("cpu"), 1, "")["processor"])
    if device is not None and device.type == "cuda":
        return name
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return name
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "cpu family" not in told:
        return name
    first, comma, rest = name.rpartition(", ")
    return f"{first} (family {told['cpu family']}, model {told['model']}){comma}{rest}"
