"""Arrays and files in the format of MNIST, and a folder of photos."""

import gzip
import sys

import numpy as np
import pytest

from hardattn.data import datasets
from tests.support.datasets import COUNTS, STEMS, idx, publish, put


@pytest.fixture
def arrays(monkeypatch):
    """What a small MNIST holds; the official counts are replaced by COUNTS."""
    monkeypatch.setattr(datasets, "IDX_COUNTS", COUNTS)
    monkeypatch.delenv("HARDATTN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    rng = np.random.default_rng(0)
    train, test = COUNTS[0] + COUNTS[1], COUNTS[2]
    made = {
        STEMS[0]: rng.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        STEMS[1]: rng.integers(0, 10, train, dtype=np.uint8),
        STEMS[2]: rng.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        STEMS[3]: rng.integers(0, 10, test, dtype=np.uint8),
    }
    publish(monkeypatch, "mnist", made)
    return made


@pytest.fixture
def files(arrays, tmp_path):
    for stem, array in arrays.items():
        put(tmp_path / "mnist" / f"{stem}-ubyte.gz", gzip.compress(idx(array), 1))
    return tmp_path
