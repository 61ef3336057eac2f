"""What stands at the marks of printed axes."""

from collections.abc import Sequence

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from hardattn.report.render.print import MARKS, Curves, Series, draw, mark_text
from hardattn.statistics.intervals import Estimate


def drawn(values: Sequence[float]) -> Axes:
    """One seed's values, on an axis of y that is logarithmic."""
    mean = tuple(Estimate(value, None, None, 1, "none") for value in values)
    one = Series("RAM", "#2f7ed8", "o", tuple(range(len(values))), mean, (tuple(values),))
    axes = Canvas().subplots()
    draw(Curves("looks", "error %", (one,)), axes)
    return axes


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (0.05, "0.05"), (1500, "1,500"), (10_000, "10k"), (2e6, "2M"), (1_500_000, "1.5M")],
)
def test_a_mark_is_said_shortly(value: float, text: str) -> None:
    assert mark_text(value) == text


def test_no_two_marks_of_an_axis_look_alike_or_are_long() -> None:
    said = [mark_text(mark) for mark in MARKS]
    assert len({*said}) == len(said) and not any("e+" in text for text in said)


def test_what_was_0_lies_below_all_else_where_the_axis_says_0() -> None:
    axes = drawn([50.0, 0.0, 3.0])
    low, high = axes.get_ylim()
    shown = [axes.yaxis.get_major_formatter()(mark) for mark in axes.get_yticks()]
    assert (low, high) == (2.0, 50.0)
    assert shown == ["0", "5", "10", "20", "50"]
    assert drawn([50.0, 0.0, 5.0]).get_ylim() == (2.0, 50.0)  # 0 and 5 are not at one height
    assert [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"][1] == low


def test_an_axis_without_a_0_begins_at_what_is_least() -> None:
    axes = drawn([50.0, 5.0])
    assert axes.get_ylim() == (5.0, 50.0)
    assert axes.yaxis.get_major_formatter()(5.0) == "5"
