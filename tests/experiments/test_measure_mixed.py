"""What a mixture of kinds of attention came to count stands in the result of its run."""

from pathlib import Path

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.experiments.measure import mixed
from tests.support.commands import TINY, go, result_in


def test_a_run_says_of_every_block_what_its_kinds_count(tiny: Path) -> None:
    assert go(tiny, "soft", "--block", "general", "--kinds", "spatial", "self", *TINY) == 0
    shares = result_in(tiny)["shares"]
    assert shares
    for name, one in shares.items():
        assert list(one) == ["identity", "spatial", "self"], name
        assert sum(one.values()) == pytest.approx(1)
        assert len(set(one.values())) > 1, "learned: they begin alike"


def test_a_network_without_a_mixture_has_none() -> None:
    assert mixed(torch.nn.Sequential(BLOCKS["se"].make(16), torch.nn.ReLU())) == {}
    found = mixed(torch.nn.Sequential(BLOCKS["general"].make(16), torch.nn.ReLU()))
    assert found == {"0": pytest.approx(dict.fromkeys(found["0"], 0.2))}
