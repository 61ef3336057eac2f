"""What an update is made of: how many kernels, and the matrix products among them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

Product = tuple[OpOverload, tuple[object, ...], dict[str, object]]  # and its operands
aten = torch.ops.aten
# What is a matrix product, forward or backward; a convolution is one.
PRODUCTS = {
    aten.mm.default,
    aten.addmm.default,
    aten.bmm.default,
    aten.baddbmm.default,
    aten.convolution.default,
    aten.convolution_backward.default,
}
# What touches no number: it says where there is room, or how numbers are to be read.
FREE = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "_unsafe_view",
    "lift_fresh",
    "detach",
}


class Made(NamedTuple):
    """What a call was made of."""

    kernels: int
    """Operations that compute; views and rooms for numbers are none."""
    products: list[Product]
    """Matrix products, in their order: the operation, and operands of the same shapes."""

    def replay(self) -> None:
        """All the products again, and nothing else."""
        with torch.no_grad():
            for product, operands, named in self.products:
                product(*operands, **named)


def made_of(call: Callable[[], object]) -> Made:
    """Count what a call does, and keep what it multiplies."""
    with _Listening() as heard:
        call()
    return Made(heard.kernels, heard.products)


class _Listening(TorchDispatchMode):
    """Hears every operation, of the backward pass too."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = 0
        self.products: list[Product] = []
        self.known: dict[tuple[object, ...], Tensor] = {}

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if not func.is_view and func.overloadpacket.__name__ not in FREE:
            self.kernels += 1
        if func in PRODUCTS:
            self.products.append((func, tree_map(self._alike, args), kwargs))
        return func(*args, **kwargs)

    def _alike(self, given: object) -> object:
        """Numbers of the same shape, as far apart in memory; for one operand one and the same."""
        if not isinstance(given, Tensor):
            return given
        key = (given.data_ptr(), given.shape, given.stride(), given.dtype)
        if key not in self.known:
            with torch._C._DisableTorchDispatch():
                made = torch.empty_strided(
                    given.shape, given.stride(), dtype=given.dtype, device=given.device
                )
                self.known[key] = made.fill_(0.5)
        return self.known[key]
