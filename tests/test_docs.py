"""What the pages and README.md show works, and what there is stands in them."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hardattn import problem, sensors, tasks, world
from hardattn.agents import AGENTS, SCRIPTS
from hardattn.attention import BLOCKS, HEADS
from hardattn.decoders import DECODERS
from hardattn.envs import CATALOGUE
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.metrics import METRICS
from hardattn.evaluation.swap import SWAPS
from hardattn.experiments.commands import train
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.robustness.changes import CHANGES
from hardattn.training.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import expand  # noqa: E402

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    if "_build" not in path.parts
}
PYTHON = {
    name: found
    for name, text in PAGES.items()
    if (found := re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
}
LINES = [
    (name, line.partition("  #")[0].strip())
    for name, text in PAGES.items()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.startswith("hardattn ")
]
COMMANDS = "train sweep runs report evaluate swap robustness estimators export bench results demo"
COMMANDS += " list soft look hard-or-soft megapixel"
NAMED = {
    "agents": AGENTS,
    "blocks": BLOCKS,
    "heads": HEADS,
    "decoders": DECODERS,
    "estimators": ESTIMATORS,
    "metrics": METRICS,
    "sensors": sensors.SENSORS,
    "scenes": problem.SCENES,
    "tasks": tasks.TASKS,
    "contexts": world.CONTEXTS,
    "scripts": SCRIPTS,
}


@pytest.mark.parametrize("name", PYTHON)
def test_snippets_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one page one after another, in one namespace: a page may go on from its own."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"__name__": "__page__"}
    for number, snippet in enumerate(PYTHON[name]):
        exec(compile(snippet, f"{name}, snippet {number}", "exec"), given)


@pytest.mark.parametrize("kind", NAMED)
def test_every_row_has_its_section(kind: str) -> None:
    shown = {
        row
        for name, text in PAGES.items()
        if name.startswith("docs/methods")
        for table, rows in expand.asked(text).items()
        if expand.found(table) is NAMED[kind]
        for row in rows
    }
    missing, strange = NAMED[kind].keys() - shown, shown - NAMED[kind].keys()
    assert not missing, f"put {missing} of the {kind} into a fence of its page in docs/methods"
    assert not strange, f"pages of docs/methods have {strange}, which is no row of the {kind}"


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("docs/guide/robustness.md", CHANGES),
        ("docs/guide/policy-gain.md", SWAPS),
        ("docs/guide/train-and-resume.md", OPTIMIZERS),
    ],
)
def test_guides_name_every_row(page: str, table: dict[str, Any]) -> None:
    assert [name for name in table if f"`{name}`" not in PAGES[page]] == []


def test_every_command_is_told() -> None:
    told = re.findall(r"^\| `([\w-]+)", PAGES["docs/reference/commands.md"], re.MULTILINE)
    assert sorted(told) == sorted(COMMANDS.split())


def test_commands_are_known() -> None:
    results = (ROOT / "experiments" / "results").glob("*.json")
    recipes = {*RECIPES, *(path.stem.partition(",")[0] for path in results)}
    for page, line in LINES:
        _, command, *words = shlex.split(line)
        assert command in COMMANDS.split(), f"{page}: {line}"
        if command in ("train", "sweep") and words[0].islower():
            named = [word for word in words if not word.startswith("-")]
            known = named[:1] if command == "train" else [w for w in named if w in recipes]
            assert known and set(known) <= recipes, f"{page}: {line}"


READ_ONLY = ("list", "runs", "report", "swap", "evaluate", "export")  # quick, of a tiny run
QUICK = sorted(
    {
        line
        for _, line in LINES
        if line.split()[1] in READ_ONLY and not {"--retrain", "--push"} & {*line.split()}
    }
    | {line for _, line in LINES if line.endswith("--check")}
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pages' runs are: one tiny training, under each of their names."""
    top = tmp_path_factory.mktemp("tiny")
    few = ["--images", "1024", "--validate-every", "1024", "--test-draws", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top)
        assert cli().main(["train", "ram-digits", *few]) == 0
    (run,) = (each for each in (top / "runs").iterdir() if each.is_dir())
    twin = shutil.copytree(run, top / "runs" / "demo" / "ram-digits")
    result = json.loads((twin / "seed-0" / "result.json").read_text())
    (twin / "seed-0" / "result.json").write_text(json.dumps(result | {"seed": 1}))
    (twin / "seed-0").rename(twin / "seed-1")
    run.rename(top / "runs" / "ram-digits")
    return top


def cli() -> Any:
    return pytest.importorskip("hardattn.experiments.cli", reason="there is no single command yet")


@pytest.mark.parametrize("line", QUICK)
def test_commands_run(line: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny)
    assert cli().main(shlex.split(line)[1:]) == 0


@pytest.mark.parametrize("line", sorted({one for _, one in LINES if one.split()[1] == "train"}))
def test_trainings_are_understood(line: str) -> None:
    """The options are those that the recipe can use, with values that they can have."""
    cli()
    *_, words = line.partition("train ")
    train.parse(shlex.split(words))


@pytest.mark.parametrize("line", sorted({one for _, one in LINES if one.split()[1] == "sweep"}))
def test_sweeps_are_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run that a sweep stands for is one that there is."""
    words = shlex.split(line.partition(" > ")[0])[1:]
    own = ("--print", "--search", "--shard", "--on")
    if not set(own) & set(words) and "$" not in line and "[" not in line and words[1].islower():
        assert cli().main([*words, "--print"]) == 0
        assert capsys.readouterr().out.count("hardattn train") > 1


def test_the_readme_is_two_screens() -> None:
    size = len(PAGES["README.md"].encode())
    assert size <= 7_000, f"README.md has {size:,} bytes: what is beyond 7,000 belongs into docs"


def test_the_readme_counts_what_there_is() -> None:
    """It may be some behind, so that nobody who adds a row must count."""
    text = " ".join(PAGES["README.md"].split())
    layers = (BLOCKS, HEADS)
    for count, what in (
        (len(AGENTS), "agents"),
        (len(ESTIMATORS), "gradient estimators"),
        (len({id(row) for table in layers for row in table.values()}), "blocks and heads"),
        (len(CATALOGUE), "Gymnasium environments"),
    ):
        told = re.search(rf"(\d+) {what}", text)
        assert told, f"README.md does not say how many {what} there are"
        assert count - 10 < int(told[1]) <= count, f"README.md: there are {count} {what}"


@pytest.mark.parametrize("name", PAGES)
def test_pages_point_at_what_there_is(name: str) -> None:
    """Pictures and pages; anchors are Sphinx's to check."""
    here = (ROOT / name).parent
    prose = re.sub(r"^```.*?^```", "", PAGES[name], flags=re.DOTALL | re.MULTILINE)
    assert "[](" not in prose, f"{name}: a link needs words, or who reads the file sees nothing"
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target and not target.startswith("#"):
            assert (here / target.partition("#")[0]).exists(), f"{name}: {target}"


def test_pages_hang_together() -> None:
    """Every page stands in a table of contents, so that a reader comes upon it."""
    listed = {"docs/index.md"}
    for name, text in PAGES.items():
        for toc in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in toc.splitlines():
                if line and not line.startswith(":"):
                    path = (ROOT / name).parent / f"{line}.md"
                    listed.add(str(path.resolve().relative_to(ROOT)))
    assert {name for name in PAGES if name.startswith("docs/")} == listed


# What a fence writes out.


def test_a_fence_gives_each_row_its_docstring() -> None:
    page = [
        "# A\n\n```{rows} hardattn.agents.AGENTS\nram\n```\n\n```{summary} "
        "hardattn.evaluation.metrics.METRICS\nnll\n```\n"
    ]
    pytest.importorskip("sphinx", reason="pip install 'hardattn[docs]'")
    expand.expand(None, "page", page)
    assert "\n## `ram`\n" in page[0] and "std=0.17" in page[0]
    assert "A glimpse net, a recurrent core" in page[0]
    assert "| `nll` | Mean negative log-likelihood of the final answer, in nats. |" in page[0]
    with pytest.raises(ValueError, match="has no row 'rom'"):
        expand.expand(None, "page", ["# A\n\n```{rows} hardattn.agents.AGENTS\nrom\n```\n"])


def test_a_row_that_is_a_record_says_what_it_says() -> None:
    class Row(NamedTuple):
        make: object
        biased: str = ""
        draws: tuple[type, ...] = ()
        rewards: bool = True
        one_draw: bool = False
        episodes: int = 1

    row = Row(dict, "by the critic", (int, float), rewards=False, one_draw=True)
    assert expand.facts(row) == "biased: by the critic; draws: int, float; no rewards; one draw"
    assert expand.facts(Row(dict)) == expand.facts(dict) == ""
    assert expand.made(row) is expand.made(dict) is dict


def test_docstrings_are_prose() -> None:
    lines = ["|x| of a_ and 2 * 3, **options, `|y|`", "(arXiv:1406.6247.)"]
    expand.plain(None, "", "", None, None, lines)
    assert lines.pop() == "(`arXiv:1406.6247 <https://arxiv.org/abs/1406.6247>`__.)"
    assert lines == [r"\|x\| of a\_ and 2 * 3, \*\*options, `|y|`"]


def test_fields_are_told_by_the_comments_beside_them() -> None:
    lines = ["Alias for field number 0"]
    expand.fields(None, "attribute", "hardattn.rollout.Trajectory.location", None, None, lines)
    assert lines[0] == "(T, B, P) as drawn; `World.path` says where that is"
    lines = ["Alias for field number 2"]
    expand.fields(None, "attribute", "hardattn.scenes.makers.Scenes.index", None, None, lines)
    assert lines[0].startswith("(B,) int64, the image of the split")
    lines = ["left as it is"]
    expand.fields(None, "function", "hardattn.rollout.rollout", None, None, lines)
    assert lines == ["left as it is"]


def test_the_layers_of_the_house_are_drawn() -> None:
    drawn = expand.imports("tests/test_architecture.py", "").splitlines()
    height = {}
    for line in drawn[2:]:
        _, layer, room, below, _ = (part.strip() for part in line.split("|"))
        height[room.strip("`")] = int(layer)
        for one in re.findall(r"`(\w+)`", below):
            assert one not in height or height[one] < int(layer), line
    assert len(height) > 10 and min(height.values()) == 0
