"""The benchmark of cheap attention measures every way, and says from where on each pays."""

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.experiments.benchmarks import blocks


def test_every_way_is_measured_on_every_map() -> None:
    rows = blocks.cheap(sides=(4, 6), count=1, least=0.0)
    assert [(row["places"], row["what"]) for row in rows] == [
        (places, name) for places in (16, 36) for name in blocks.WAYS
    ]
    assert all(row["forward"] > 0 and row["value"] > 0 and row["ratio"] > 0 for row in rows)
    assert all(row["limit"] > 0 for row in rows)
    assert rows[0]["ratio"] == 1
    assert set(blocks.pays(rows)) == {*blocks.WAYS} - {"full, written out"}


def test_the_fused_kernel_is_the_block_that_it_stands_beside() -> None:
    torch.manual_seed(0)
    fused, block = blocks.Fused(blocks.CHANNELS), BLOCKS["multi_head"].make(blocks.CHANNELS)
    block.load_state_dict(fused.state_dict())
    x = torch.randn(2, blocks.CHANNELS, 5, 4)
    torch.testing.assert_close(fused(x), block(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "ratios, wanted",
    [
        ({10: 0.5, 1000: 2.0}, 100),
        ({10: 0.5, 100: 1.0, 1000: 2.0}, 100),
        ({10: 0.5, 1000: 0.9}, None),
        ({10: 1.5, 1000: 2.0}, 10),
        ({10: 2.0, 20: 0.5, 80: 2.0}, 40),  # slower in between: it pays once it is past that
    ],
)
def test_it_pays_from_where_the_ratio_is_one(ratios: dict[int, float], wanted: int | None) -> None:
    name = "random features, 64"
    rows = [{"places": n, "what": name, "ratio": ratio} for n, ratio in ratios.items()]
    others = [
        {"places": n, "what": other, "ratio": 1.0}
        for n in ratios
        for other in blocks.WAYS
        if other != name
    ]
    assert blocks.pays(rows + others)[name] == wanted
