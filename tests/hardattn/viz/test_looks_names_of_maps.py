"""What the names of maps in a picture say."""

import numpy as np

from hardattn.viz.looks import text


def test_of_a_long_name_the_end_is_kept_where_that_tells_maps_apart() -> None:
    first, second = (f"features.units.0.gate.{one}" for one in ("channel", "spatial"))
    assert np.array_equal(text(first[:18] + first, 60), text(first[:18] + second, 60))
    assert not np.array_equal(text(first, 60, end=True), text(second, 60, end=True))
    assert np.array_equal(text(first, 60, end=True), text("a" * 30 + first, 60, end=True))
    assert np.array_equal(text(first, 400), text(first, 400, end=True)), "what fits is not cut"
