"""What tests of commands share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hardattn.data import Dataset, load
from hardattn.evaluation import cost
from hardattn.experiments import measure, run as execute
from hardattn.experiments.recipe import OWN
from tests.support.commands import small


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Runs see a few images only, leave the process's settings alone, and go to this folder."""
    real = load

    def few(name: str, root: Path | None, device: torch.device) -> Dataset:
        known = name in (OWN, "digits", "mnist", "fashion_mnist") and root is None
        return small(name).to(device) if known else real(name, root, device)

    monkeypatch.setattr(execute, "load", few)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(measure, "PASSES", 2)
    monkeypatch.setattr(execute, "EXAMPLES", 4)
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    yield tmp_path
