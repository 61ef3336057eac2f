"""Where tensors live, how many threads work on them, and which matrix product they get."""

from typing import Any

import torch

_A_FEW_ROUNDINGS = 1e-5  # relative; full precision leaves 1e-6 here, bf16 leaves 4e-3


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
    """Set the thread count, and take the faster exact CPU matrix product. Returns its name.

    On processors with AVX512-BF16 but no AMX, oneDNN's "bf16" route is about twice as fast as MKL
    on AMD and yet accurate to full precision. Elsewhere the same setting really rounds to bf16, so
    it stays on only where a probe finds full precision.
    """
    torch.set_num_threads(threads)
    try:
        route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = route.fp32_precision
        route.fp32_precision = "bf16"
    except (AttributeError, RuntimeError):
        return "default"
    generator = torch.Generator().manual_seed(0)
    for shape in (64, 256, 512):
        left = torch.randn(shape, 256, generator=generator)
        right = torch.randn(256, shape, generator=generator)
        exact = left.double() @ right.double()
        if ((left @ right - exact).norm() / exact.norm()).item() > _A_FEW_ROUNDINGS:
            route.fp32_precision = before
            return "default"
    return "onednn"
