"""Where tensors live, how many threads work on them, which matrix product and memory they get."""

import contextlib
import ctypes
import hashlib
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_A_FEW_ROUNDINGS = 1e-5  # relative; full precision leaves 1e-6 here, bf16 leaves 4e-3
_ROUTES = {"default": "none", "onednn": "bf16"}  # what oneDNN's products are told
_SHAPES, _TURNS = (64, 256, 512), 5  # rows of products by 256
_WORTH = 1.05  # times as fast: less is not told from noise
_found: dict[str, str] = {}  # in this process
_TRIM, _MAP = -1, -3  # glibc's numbers for what `mallopt` sets
_HELD, _HELD_BEFORE_2_35 = 2**30, 2**25  # bytes


def choose(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the GPU where there is one. Raises ValueError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as fault:
        reason = str(fault).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here: {reason}") from fault
    return device


def tune(threads: int = 1) -> str:
    """Set the thread count, hold on to memory (see `hold_memory`), and take the faster exact CPU
    matrix product. Returns its name.

    On processors with AVX512-BF16 but no AMX, oneDNN's "bf16" route is about twice as fast as MKL
    on AMD and yet accurate to full precision; elsewhere the same setting really rounds to bf16. So
    a probe multiplies by both, asks how exact and how fast the route is, and takes it where it is
    exact and saves time worth speaking of. That is done once, on this processor with this PyTorch
    and so many threads: what was found is kept in ~/.cache/hardattn/products, because another
    product has other bits, and a run that goes on must have those that it began with.
    """
    torch.set_num_threads(threads)
    hold_memory()
    try:
        route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        route.fp32_precision = _ROUTES["default"]
    except (AttributeError, RuntimeError):
        return "default"
    chosen = _kept(_machine(threads), lambda: _probe(route))
    route.fp32_precision = _ROUTES[chosen]
    return chosen


def hold_memory() -> None:
    """Keep up to 1 GiB of freed memory in this process, where the C library is glibc.

    By itself glibc hands every freed tensor of 32 MiB or more, and most of the smaller ones, back
    to the system, which fills each page with zeros before it gives it out again, at every update.
    Whoever has set MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ has chosen already.
    """
    chosen = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}
    if platform.libc_ver()[0] != "glibc" or chosen & os.environ.keys():
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_TRIM, _HELD)
    if not mallopt(_MAP, _HELD):
        mallopt(_MAP, _HELD_BEFORE_2_35)


def _probe(route: Any) -> str:
    """The name of the route to take. Leaves any of them."""
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (torch.randn(rows, 256, generator=generator), torch.randn(256, rows, generator=generator))
        for rows in _SHAPES
    ]
    try:
        route.fp32_precision = _ROUTES["onednn"]
    except RuntimeError:
        return "default"
    for left, right in pairs:
        exact = left.double() @ right.double()
        if ((left @ right - exact).norm() / exact.norm()).item() > _A_FEW_ROUNDINGS:
            return "default"
    least = dict.fromkeys(_ROUTES, math.inf)
    for _ in range(_TURNS):  # in turn, and the least counts, because others may be at work
        for name, precision in _ROUTES.items():
            route.fp32_precision = precision
            least[name] = min(least[name], _seconds(pairs))
    return "onednn" if least["onednn"] * _WORTH < least["default"] else "default"


def _seconds(pairs: list[tuple[Tensor, Tensor]]) -> float:
    """That all of these products take."""
    since = time.perf_counter()
    for left, right in pairs:
        left @ right
    return time.perf_counter() - since


def _machine(threads: int) -> str:
    """What a choice of products depends on, in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {key.strip(): value.strip() for key, _, value in (one.partition(":") for one in lines)}
    which = [told.get(key, "") for key in ("model name", "cpu family", "model", "flags")]
    which += [platform.machine(), platform.processor(), torch.__version__, str(threads)]
    return "\n".join(which)


def _kept(machine: str, find: Callable[[], str]) -> str:
    """What was found for this machine, now or before; of several that look at once, the first."""
    name = hashlib.blake2b(machine.encode(), digest_size=8).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    path = cache / "hardattn" / "products" / name
    if name not in _found:
        found = _read(path)
        if not found:
            found = find()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                own = path.with_name(f"{name}.{os.getpid()}")
                own.write_text(found + "\n")
                with contextlib.suppress(FileExistsError):
                    os.link(own, path)
                own.unlink()
                found = _read(path) or found
            except OSError:
                pass  # nowhere to keep it: each process looks anew
        _found[name] = found
    return _found[name]


def _read(path: Path) -> str:
    """The route that a file names; "" of one that is not there, or names none."""
    try:
        told = path.read_text().strip()
    except OSError:
        return ""
    return told if told in _ROUTES else ""
