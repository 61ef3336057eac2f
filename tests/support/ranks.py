"""Several processes that are one training, forked from the one that tests."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from hardattn.training.distributed import PATIENCE, Ranks
from tests.support.crashes import forked


def in_ranks(size: int, folder: Path, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` returns in each of so many processes, plain values and tensors. All must end."""
    folder.mkdir(parents=True, exist_ok=True)
    children = [forked(partial(_member, rank, size, folder, work)) for rank in range(size)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * size, codes
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


def _member(rank: int, size: int, folder: Path, work: Callable[[Ranks], Any]) -> None:
    """What one of the processes does: the work, whose result it leaves in the folder."""
    torch.set_num_threads(1)
    where = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", where, PATIENCE, size, rank)
    torch.save(work(Ranks(rank, size)), folder / f"{rank}.pt")
    dist.destroy_process_group()
