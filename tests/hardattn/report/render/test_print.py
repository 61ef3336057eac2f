"""What stands at the marks of printed axes."""

import pytest

from hardattn.report.render.print import MARKS, mark_text


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (0.05, "0.05"), (1500, "1,500"), (10_000, "10k"), (2e6, "2M"), (1_500_000, "1.5M")],
)
def test_a_mark_is_said_shortly(value: float, text: str) -> None:
    assert mark_text(value) == text


def test_no_two_marks_of_an_axis_look_alike_or_are_long() -> None:
    said = [mark_text(mark) for mark in MARKS]
    assert len({*said}) == len(said) and not any("e+" in text for text in said)
