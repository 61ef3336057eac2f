"""What no file of tests may leave behind for those after it in the same process."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def matrix_product() -> Iterator[None]:
    """Threads and the route of CPU matrix products, which every run sets: see `device.tune`.

    On another route what one process makes of a row depends on how many others are beside it.
    """
    route: Any = getattr(torch.backends.mkldnn, "matmul", None)
    precision, threads = getattr(route, "fp32_precision", None), torch.get_num_threads()
    yield
    if precision is not None:
        route.fp32_precision = precision
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", autouse=True)
def nobody_else(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What others train on this machine does not keep a test from taking times: see `timing`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield
