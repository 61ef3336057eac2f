"""A table in Markdown, line by line."""

from hardattn.report.render.grid import heading, opening, row_of


def test_numbers_stand_right_and_words_left() -> None:
    names = ("who", "error %", "why")
    lines = [*heading(names, ("who", "why")), opening("kind", names), row_of(["a", "1.0", ""])]
    assert lines == [
        "| who | error % | why |",
        "| --- | ---: | --- |",
        "| **kind** | | |",
        "| a | 1.0 |  |",
    ]
