"""One command: what it offers, how it answers, and how it ends."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hardattn.data import DataError
from hardattn.experiments import cli
from hardattn.experiments.cli import COMMANDS, attempt, main
from hardattn.experiments.command_line import completion
from hardattn.experiments.command_line.command import Command
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.folder import Busy
from hardattn.export import ExportError
from hardattn.report.runs import ReportError
from hardattn.storage import CheckpointError
from hardattn.training.interrupt import Stopped
from hardattn.training.metrics import NotFinite
from tests.support.runs import write_run

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "results figures": ["--out", "x"],
    "look": ["ram-digits", "photo.png"],
}  # words without which a command is not begun
PATHS = (
    "report",
    "evaluate",
    "swap",
    "robustness",
    "export",
    "results collect",
    "results ledger",
    "results ship",
)


def words_of(name: str, folder: Path) -> list[str]:
    """A command with the words that it needs, none of which must exist."""
    words = [*name.split(), *NEEDED.get(name, [])]
    if name in PATHS:
        words.append(str(folder))
    return words + ["ram-digits"] * (name in ("train", "sweep"))


FAULTS: list[tuple[BaseException, int]] = [
    (UsageError("no such name"), 2),
    (ValueError("it does not fit"), 2),
    (DataError("no such file"), 2),
    (ReportError("no run"), 2),
    (ExportError("no graph"), 2),
    (ModuleNotFoundError("no", name="onnx.checker"), 2),
    (MemoryError(), 2),
    (RuntimeError("[enforce fail] not enough memory: you tried to allocate 9 bytes"), 2),
    (NotFinite("not finite at update 7"), 3),
    (Busy("in use by another process"), 4),
    (CheckpointError("a.pt: damaged"), 5),
    (OSError("no space left"), 5),
    (FileNotFoundError(2, "No such file", "a"), 5),
    (KeyboardInterrupt(), 130),
    (Stopped("stopped after 12 images", 130), 130),
    (Stopped("stopped after 12 images", 143), 143),
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_fault_has_its_exit_code_and_its_line_in_every_command(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command, seen = cli.load(name), list[Any]()

    for fault, code in FAULTS:

        def run(given: Any, fault: BaseException = fault) -> int:
            seen.append(given)
            raise fault

        run.__module__ = command.run.__module__
        changed: Command = command._replace(run=run)
        monkeypatch.setattr(cli, "load", lambda asked, changed=changed: changed)
        assert main(words_of(name, tmp_path)) == code
        said = capsys.readouterr()
        assert not said.out and said.err.count("\n") == 1, said.err
        assert said.err.startswith("error: ") or code > 100
    assert len(seen) == len(FAULTS)


@pytest.mark.parametrize("fault", [TypeError("a bug"), RuntimeError("a bug"), ImportError("a bug")])
def test_what_nobody_foresaw_shows_where_it_was(fault: Exception) -> None:
    def raising() -> int:
        raise fault

    with pytest.raises(type(fault), match="a bug"):
        attempt(raising)


def test_codes_are_told() -> None:
    assert all(str(code) in (cli.__doc__ or "") for _, code in FAULTS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_row(name: str) -> None:
    command = cli.load(name)
    assert command.name == name and command.help and not command.help.endswith(".")
    assert len(f"  {name:20}{command.help}") <= 80


def test_no_help_of_a_command_needs_torch() -> None:
    """One process asks for all, one after another, and tells the first that imports too much."""
    heavy = {"torch", "numpy", "plotly", "sklearn", "stable_baselines3"}
    code = (
        "import sys\nfrom hardattn.experiments.cli import main\n"
        f"for name in {[*COMMANDS]}:\n"
        "    code = main([*name.split(), '--help'])\n"
        f"    heavy = {heavy} & {{*sys.modules}}\n"
        "    assert code == 0 and not heavy, (name, code, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"hardattn {name}" in done.stdout


def test_every_file_of_a_command_is_offered() -> None:
    files = {path.stem for path in (ROOT / "experiments" / "commands").glob("*.py")}
    assert files - {"__init__"} == set(COMMANDS.values())


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in (([], 2), (["--help"], 0), (["-h"], 0)):
        assert main(words) == code
        said = capsys.readouterr().out
        assert all(re.search(rf"^  {name} ", said, re.M) for name in COMMANDS)
    for group in ("bench", "results"):
        assert main([group, "--help"]) == 0
        said = capsys.readouterr().out
        members = {name.split()[1] for name in COMMANDS if name.startswith(f"{group} ")}
        assert members and all(f"  {name}" in said for name in members)


@pytest.mark.parametrize(
    "words, answer",
    [
        (["swep"], "no command is called 'swep': perhaps sweep"),
        (["results"], "which results? choose from collect, tables, ledger, claims, figures"),
        (["bench", "tps"], "no bench is called 'tps' choose from training"),
        (["swap"], "at least one PATH is needed"),
        (["train"], "which recipe: hardattn train RECIPE"),
        (["train", "ram-digit"], "no recipe is called 'ram-digit': perhaps ram-digits"),
        (["sweep", "--seeds", "2"], "at least one RECIPE is needed"),
        (["sweep", "ram-digits", "--seeds", "0"], "must be at least 1"),
        (["sweep", "ram-digits", "--seeds", "many"], "many"),
        (["sweep", "ram-digits", "--lr", "1,,2"], "a value is missing"),
        (["sweep", "ram-digits", "--lr", "all"], "'all' does not go with --lr"),
        (["report", "x", "--agianst", "y"], "--agianst"),
        (["demo", "--workers", "0"], "workers must be at least 1"),
        (["estimators", "--calls", "1"], "calls must be at least 2"),
        (["list", "no-such-thing"], "no recipe is called 'no-such-thing'"),
        (["runs", "nowhere"], "nowhere: no such folder"),
        (["--print-completion", "fish"], "choose bash or zsh"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_meant_is_answered_in_one_line(
    words: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert answer in said.err


# list


def test_list_groups_by_problem_a_line_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out.splitlines()
    named = [line.split()[0] for line in said if line.startswith("  ")]
    assert sorted(named) == sorted(RECIPES) and max(map(len, said)) <= 110
    heads = [line for line in said if line and not line.startswith(("  ", "hardattn "))]
    assert heads == list(dict.fromkeys(one.problem.scenes() for one in RECIPES.values()))
    assert main(["list", "circle_square ppo"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said if line.startswith("  ")] == ["ppo-circle-square"]


def test_list_of_a_name_tells_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for name, recipe in RECIPES.items():
        assert main(["list", name]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert recipe.about in said and recipe.expect in said and f"hardattn train {name}" in said
        for key, value in recipe.settings().items():
            assert value is None or f"{key} {value}" in said


# Completion


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    "line, wanted, others",
    [
        ("hardattn ", ["train", "sweep", "bench", "results", "list"], ["canvas"]),
        ("hardattn sw", ["sweep", "swap"], ["train"]),
        ("hardattn bench ", ["training", "environments", "gpu"], ["collect"]),
        ("hardattn results ta", ["tables"], ["claims"]),
        ("hardattn results tables --ch", ["--check"], ["--save"]),
        ("hardattn train ram-di", ["ram-digits"], ["ram-mnist"]),
        ("hardattn train ram-digits --se", ["--seed", "--seeds", "--sensor"], ["--std"]),
        ("hardattn sweep ram-digits sb3-", ["sb3-ppo", "sb3-a2c"], ["ram-digits"]),
        ("hardattn swap runs/demo --re", ["--retrain"], ["--root"]),
    ],
)
def test_bash_completes(line: str, wanted: list[str], others: list[str]) -> None:
    text = completion.script(["bash"], {name: cli.load(name).Options for name in COMMANDS})
    words = line.split(" ")
    asked = " ".join(f"'{word}'" for word in words)
    program = (
        f"{text}\nCOMP_WORDS=({asked}) COMP_CWORD={len(words) - 1}\n"
        '_hardattn; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
    offered = done.stdout.split()
    assert not done.stderr and set(wanted) <= set(offered) and not set(others) & set(offered)


def test_zsh_has_the_same_by_its_bash_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", "zsh"]) == 0
    zsh = capsys.readouterr().out
    assert main(["--print-completion", "bash"]) == 0
    assert zsh.endswith(capsys.readouterr().out) and "bashcompinit" in zsh


# Read by nobody


def closed(*words: str, also: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output nobody reads; also: nor its complaints."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "hardattn.experiments", *words],
            cwd=ROOT,
            stdout=writer,
            stderr=writer if also else subprocess.PIPE,
            restore_signals=False,  # as a shell would not have it, but as Python has
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "words, code",
    [
        (["list"], 0),
        (["--help"], 0),
        ([], 2),
        (["train", "--help"], 0),
        (["train"], 2),
        (["sweep", "--help"], 0),
        (["--print-completion", "bash"], 0),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_nobody_who_reads_on_is_no_fault(words: list[str], code: int) -> None:
    ended = closed(*words)
    assert ended.returncode == code
    said = ended.stderr.decode()
    assert not any(word in said for word in ("Traceback", "Broken", "Errno 32", "ignored"))
    assert closed(*words, also=True).returncode == code


def test_what_was_to_be_written_is_written_all_the_same(tmp_path: Path) -> None:
    write_run(tmp_path, "ram", 0)
    ended = closed("report", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (tmp_path / "report.html").exists()


def test_what_is_read_is_what_was_written() -> None:
    """In the encoding of the stream, and in its order; a warning in one line."""
    code = (
        "import sys, warnings\n"
        "from hardattn.experiments import cli\n"
        "print('before')\n"
        "def main():\n"
        "    warnings.warn('careful')\n"
        "    print('ä', file=sys.stderr)\n"
        "    print('ö' * 100_000)\n"
        "    return 7\n"
        "cli.main = main\n"
        "cli.program()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert ended.returncode == 7 and ended.stderr.decode() == "warning: careful\nä\n"
    assert ended.stdout.decode() == "before\n" + "ö" * 100_000 + "\n"


def test_other_faults_of_writing_are_not_hidden() -> None:
    """A disk that is full is no reader that is gone."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        raw = cli._Pipe(full.fileno(), "wb", closefd=False)
        with pytest.raises(OSError, match="No space"):
            raw.write(b"x")
    assert isinstance(raw, io.FileIO)
