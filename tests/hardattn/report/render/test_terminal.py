"""The table as Markdown and in a terminal."""

from pathlib import Path

import pytest

from hardattn.report.render.markdown import markdown
from hardattn.report.render.terminal import terminal
from hardattn.report.rows import tables
from hardattn.report.runs import read


def test_markdown_and_terminal(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = tables(read([made]))
    text = markdown(done)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    # Two tables of a head, a rule, two classes and three rows, each as wide as its head.
    assert [len({line.count("|") for line in half}) for half in (lines[:7], lines[7:])] == [1, 1]
    assert len(lines) == 14
    assert "12.0 [7.0, 17.0]" in text and "−21.0 [−27.6, −14.4] | yes |" in text
    assert "Commands: `hardattn train RECIPE --seed SEED`, seeds 0, 1, 2.\n" in text
    assert "- MLP, whole <image>, seed 0: `hardattn train whole --seed 0`" in text
    for width in (60, 100, 200):
        terminal(done, width)
        out = capsys.readouterr().out
        assert "RAM" in out and "12.0" in out
        assert max(map(len, out.splitlines())) <= width
