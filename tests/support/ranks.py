"""Several processes that are one training, forked from the one that tests."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from hardattn.training.distributed import PATIENCE, Ranks


def in_ranks(size: int, folder: Path, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` returns in each of so many processes, plain values and tensors. All must end."""
    folder.mkdir(parents=True, exist_ok=True)
    children = [_forked(rank, size, folder, work) for rank in range(size)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * size, codes
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


def _forked(rank: int, size: int, folder: Path, work: Callable[[Ranks], Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        torch.set_num_threads(1)
        where = f"file://{folder / 'meeting'}"
        dist.init_process_group("gloo", where, PATIENCE, size, rank)
        torch.save(work(Ranks(rank, size)), folder / f"{rank}.pt")
        dist.destroy_process_group()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)
