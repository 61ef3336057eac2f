"""What is committed of finished runs: their results, as JSON that shows well what changed."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hardattn.report.results import upgraded
from hardattn.report.runs import ReportError, read, unfinished
from hardattn.storage import replace_text

from ..kinds import Json
from ..recipe import UsageError
from ..recipes import RECIPES
from ..recipes.expected import FILE, expectation

RESULTS = Path(__file__).parents[1] / "results"
STUDIES = RESULTS / "studies"
# A slash that starts a word, a home, a drive: what means nothing elsewhere. Not images/s.
ABSOLUTE = re.compile(r"""(?:^|[\s="'`:,;(\[])(?:/[\w.]|~[\w]*/|[A-Za-z]:[\\/])""")


def results() -> Path:
    """The folder of the committed results. Raises UsageError where there is no checkout."""
    if not RESULTS.is_dir():
        raise UsageError("no committed results are installed: give a folder, or use a checkout")
    return RESULTS


def runs_of(name: str, results: Path) -> dict[int, Json]:
    """The committed runs of a name, by seed; none where there is no such file."""
    path = results / f"{name}.json"
    return {run["seed"]: run for run in json.loads(path.read_text())} if path.exists() else {}


def collect(folders: Sequence[str | Path], out: str | Path = RESULTS) -> list[Path]:
    """Write one file for each name found; return their paths.

    Where they are those that are committed, what recipes are to expect is written too.

    Raises hardattn.report.runs.ReportError: as `read`, for results that hold an absolute path, for
    one name on several scenes, and for seeds that are not finished.
    """
    waiting = unfinished(folders)
    if waiting:
        raise ReportError(f"{waiting[0]}: not finished; run its command again, or remove it")
    texts: dict[str, str] = {}
    for group in read(folders):
        if group.name in texts:
            raise ReportError(f"{group.runs[0].source}: {group.name} is also there on other scenes")
        for run in group.runs:
            for where, text in absolute(run.stored):
                raise ReportError(f"{run.source}: {where} holds an absolute path: {text}")
        texts[group.name] = pretty([run.stored for run in group.runs]) + "\n"
    written = []
    for name, text in texts.items():
        path = Path(out) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
        written.append(path)
    if Path(out).resolve() == RESULTS.resolve():
        replace_text(FILE, expected())
        written.append(FILE)
    return written


def upgrade(folder: Path) -> list[Path]:
    """Bring the results files of a folder to today's format; returns those that were not in it."""
    changed = []
    for path in sorted(folder.glob("*.json")):
        old = path.read_text()
        new = pretty([upgraded(one) for one in json.loads(old)]) + "\n"
        if new != old:
            replace_text(path, new)
            changed.append(path)
    return changed


def expected() -> str:
    """What recipes/expected.json is to hold, by the names of the results files."""
    files = sorted(RESULTS.glob("*.json"))
    found = {file.stem: expectation(json.loads(file.read_text())) for file in files}
    return pretty({name: one for name, one in found.items() if name in RECIPES}) + "\n"


def absolute(result: Json) -> Iterator[tuple[str, str]]:
    """Where in a result there is a path that means something on one machine only, and the text."""
    for where, text in _strings(result, ""):
        if ABSOLUTE.search(text) or str(Path.home()) in text:
            yield where, text


def pretty(value: object, indent: int = 0) -> str:
    """JSON with sorted keys, where lists of plain values, and of such lists, stay on one line."""
    inner = "  " * (indent + 1)
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(key)}: {pretty(value[key], indent + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(inner + part for part in parts) + "\n" + "  " * indent + "}"
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = [inner + pretty(part, indent + 1) for part in value]
        return "[\n" + ",\n".join(parts) + "\n" + "  " * indent + "]"
    return json.dumps(value, ensure_ascii=False)


def _strings(value: object, where: str) -> Iterator[tuple[str, str]]:
    """Every string in nested plain values, keys too, with where it is."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield f"a key of {where or 'the result'}", key
            yield from _strings(part, f"{where}.{key}".strip("."))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _strings(part, f"{where}[{number}]")
