"""Lines of progress: what a terminal shows at its width, and how far several runs are together."""

import io
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from hardattn.training.log import Log
from hardattn.training.progress import (
    BAR,
    NAME,
    Bar,
    Overall,
    fitted,
    lasting,
    report_line,
    reported,
    shortened,
)

ROOT = Path(__file__).resolve().parents[3]
NAMES = (
    "ram-digits seed 0",
    "ram-digits,std=0.3,estimator=leave_one_out seed 1",
    "soft,dataset=folder:/数据/图片,size=[1, 2],block=cbam seed 12",
)


def drawn(name: str, width: int, notes: list[str], left: str = "0:01:23") -> str:
    """The line as a terminal of that width gets it, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    bar = Bar(name, 1000, console)
    bar.update(1000, left, notes)
    console.print(bar.live.get_renderable())
    told = console.file.getvalue()  # type: ignore[attr-defined]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told).rstrip("\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_at_any_width_there_are_bar_percentage_time_and_error(name: str, width: int) -> None:
    notes = ["12,345 images/s", "loss 1.234", "error 12.34 %"]
    for left in ("-:--:--", "0:01:23", "2 days, 7:33:20"):
        line = drawn(name, width, notes, left)
        assert "\n" not in line and cell_len(line) <= width, line
        assert len(re.findall("[━╸╺]", line)) >= BAR, line
        assert "100% " in line and left in line and line.rstrip().endswith("error 12.34 %"), line
        shown = re.split(" [━╸╺]", line)[0]
        assert shown == name or ("…" in shown and cell_len(shown) >= NAME - 1), line
        assert shown.split("…")[0] == name[: len(shown.split("…")[0])]
        assert shown.endswith(name[-2:])  # the seed
    if width >= 80:
        assert "loss 1.234" in drawn(name, width, notes)
    if width == 200:
        assert drawn(name, width, notes).startswith(name + " ")


@pytest.mark.parametrize("width", [12, 20, 30, 40])
def test_a_narrow_terminal_gets_one_line_too(width: int) -> None:
    line = drawn(NAMES[1], width, ["12,345 images/s", "error 12.34 %"])
    assert "\n" not in line and cell_len(line) <= width
    if width >= 40:
        assert "100% " in line and "0:01:23" in line


def test_a_name_gives_way_in_its_middle() -> None:
    assert shortened("abcdefgh", 8) == "abcdefgh"
    assert shortened("abcdefgh", 5) == "ab…gh"
    for name in NAMES:
        for room in range(2, 60):
            assert cell_len(shortened(name, room)) <= room
    shown, bar, note = fitted(80, "x", "0:00:01", ["a"])
    assert (shown, note) == ("x", "a") and bar > BAR


def test_the_last_that_is_left_out_is_the_dearest() -> None:
    notes = ["12,345 images/s", "loss 1.234", "error 12.34 %"]
    kept = [fitted(width, NAMES[1], "0:01:23", notes)[2] for width in range(20, 120)]
    assert sorted(set(kept), key=len) == ["", *("  ".join(notes[-n:]) for n in (1, 2, 3))]
    assert kept == sorted(kept, key=len)


def terminal(words: list[str], width: int, **more: str) -> str:
    """What a command shows on a terminal of that width."""
    ours, theirs = pty.openpty()
    there = {**os.environ, "COLUMNS": str(width), "LINES": "24", "TERM": "xterm", **more}
    with subprocess.Popen(words, cwd=ROOT, env=there, stderr=theirs, stdout=theirs) as process:
        os.close(theirs)
        told: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:
                    return
                if not part:
                    return
                told.append(part)

        reader = threading.Thread(target=read)
        reader.start()
        assert process.wait() == 0, b"".join(told).decode()
        reader.join()
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(told).decode())


LOGGED = """
import sys
from pathlib import Path
from hardattn.training.log import Log
log = Log(Path(sys.argv[1]), sys.argv[2])
log.start(0, 1000)
log.error = 0.1234
log.progress(500, 2.0, 1.234)
log.close()
"""


def test_a_run_on_a_terminal_of_80_columns(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOGGED, str(tmp_path), NAMES[1]]
    lines = re.split(r"[\r\n]+", terminal(words, 80))
    (last,) = {line for line in lines if "50%" in line}
    assert "━━━" in last and "0:00:0" in last and "error 12.34 %" in last and "seed 1 " in last
    assert all(cell_len(line) <= 80 for line in lines)


@pytest.mark.parametrize("left", [2, 100, 200_000])
def test_a_run_says_what_share_of_it_is_over_and_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left: int
) -> None:
    for name in NAMES:
        log = Log(tmp_path, name, seconds_between_lines=0)
        log.start(0, 3000)
        log.began -= left / 3
        capsys.readouterr()
        log.progress(750, 1.0, 0.5)
        words = capsys.readouterr().err
        log.close()
        found = reported(words)
        assert found and found[0] == 0.25 and found[1] >= left - 1, words
    assert reported("warning: 12.5 % of all") is None and reported("") is None


def told(share: float, left: int) -> str:
    return report_line("x seed 0", round(2000 * share), 2000, "9 images/s", lasting(left), "loss 1")


def test_all_runs_are_told_of_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    with Overall(4, 2, clock=lambda: now[0]) as overall:
        overall.begin(0)
        overall.begin(1)
        assert overall.left() is None
        now[0] += 10
        overall.hear(0, told(0.5, 10))
        # One takes 20 seconds; so will the others: 10, 10, and then two more beside each other.
        assert overall.left() == pytest.approx(30)
        overall.hear(1, told(0.1, 90))
        # 20 and 100, the mean is 60: one has 10, one 90 to go; then 10 + 60, and 70 + 60.
        assert overall.left() == pytest.approx(130)
        assert "all runs" not in capsys.readouterr().err  # what runs say, not yet what we do
        now[0] += 10
        overall.end(0)
        said = capsys.readouterr().err
        assert said.startswith("all runs ") and "27.5 %  1 of 4 runs, about 0:02:00 left" in said
        for run in (2, 3):
            overall.begin(run)
            overall.end(run)
        overall.hear(1, told(0.9, 3))
        overall.end(1)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "all runs  100.0 %  4 of 4 runs, about 0:00:00 left"


def test_what_was_done_before_is_no_measure_of_the_rest() -> None:
    now = [0.0]
    overall = Overall(10, 1, clock=lambda: now[0])
    for run in range(8):
        overall.begin(run)
        now[0] += 3
        overall.end(run)
    assert overall.left() is None  # nothing is known of what trains
    overall.begin(8)
    now[0] += 50
    overall.hear(8, told(0.5, 50))
    assert overall.left() == pytest.approx(50 + 100)


def test_lines_are_told_no_oftener_than_asked(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    overall = Overall(2, 1, clock=lambda: now[0], pause=15)
    overall.begin(0)
    for share in range(100):
        now[0] += 1
        overall.hear(0, told(share / 100, 100))
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("all runs") for line in lines) == 100 // 15
    assert sum(line.startswith("x seed 0") for line in lines) == 100


SWEEP = """
import sys
from hardattn.experiments.cli import main
sys.exit(main(['sweep', *sys.argv[1:]]))
"""
SMALL = ["--images", "32", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]


def test_a_sweep_on_a_terminal_has_a_line_of_all(tmp_path: Path) -> None:
    words = ["cnn-digits", "--seeds", "1", *SMALL, "--out", str(tmp_path)]
    lines = re.split(
        r"[\r\n]+", terminal([sys.executable, "-c", SWEEP, *words], 80, OMP_NUM_THREADS="1")
    )
    ours = [line for line in lines if line.startswith("all runs")]
    assert "0 of 1 runs" in ours[0] and "1 of 1 runs" in ours[-1] and "100%" in ours[-1]
    assert "━━━" in ours[-1]
    assert any(re.match("cnn-digits,.* seed 0 .* of 32 images", line) for line in lines)


def test_time_is_hours_minutes_and_seconds() -> None:
    assert (lasting(83.4), lasting(0), lasting(200_000)) == (
        "0:01:23",
        "0:00:00",
        "2 days, 7:33:20",
    )
