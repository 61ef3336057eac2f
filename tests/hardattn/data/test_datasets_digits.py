"""The digits that come with scikit-learn, read from its file, are those that it loads itself."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hardattn.data import DataError, datasets, load, stratified_split


def test_they_are_what_the_library_loads() -> None:
    from sklearn.datasets import load_digits

    bunch, found = load_digits(), load("digits")
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    for part, split in zip(
        stratified_split(bunch.target, 0.2, 0.2),
        (found.train, found.validation, found.test),
        strict=True,
    ):
        assert torch.equal(split.images, torch.from_numpy(images[part]))
        assert torch.equal(split.labels, torch.from_numpy(bunch.target[part]))
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)


def test_the_library_is_not_imported_for_them() -> None:
    asked = "import sys; from hardattn.data import load; load('digits'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "hardattn.data.datasets" in modules and "sklearn" not in modules


@pytest.mark.parametrize("content", [None, b"", b"1,2,3\n", b"\x1f\x8b\x08\x00cut off"])
def test_a_file_that_is_not_there_or_broken_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    package = tmp_path / "sklearn"
    (package / "datasets/data").mkdir(parents=True)
    (package / "__init__.py").touch()
    if content is not None:
        (package / "datasets/data/digits.csv.gz").write_bytes(content)
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match="scikit-learn") as fault:
        datasets.digits()
    assert "\n" not in str(fault.value)
