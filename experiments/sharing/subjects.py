"""Whoever is named, alive and with its world: a run, a folder that was handed on, one of the Hub's.

`load(source)` is a `hardattn.looking.look.Subject`.
"""

from glob import escape
from pathlib import Path

from hardattn import storage
from hardattn.looking.look import Subject
from hardattn.rollout import DRAWS
from hardattn.world import World

from ..build import Learner
from ..kinds import Json
from ..recipe import RunOptions, UsageError
from . import handed_on, hub, shipped

RESULT = "result.json"


def load(source: str | Path) -> Subject:
    """The agent of a source, in evaluation mode, and what it was trained for.

    source: the folder of a run, or of runs of one recipe, of which it is the first; a folder that
    `hardattn export` wrote; the name of a recipe that was run here, in the folder runs, or of an
    agent that comes with hardattn; or hub:OWNER/NAME. Raises UsageError, CheckpointError.
    """
    folder = Path(source).expanduser()
    if str(source).startswith(hub.PREFIX):
        folder = hub.pull(str(source))
    elif not folder.is_dir():
        folder = run_of(str(source))
    if (folder / handed_on.CONFIG).exists():
        return exported(folder)
    found = sorted(folder.glob(f"seed-*/{RESULT}"), key=_seed)
    if not (folder / RESULT).exists() and found:
        folder = found[0].parent
    return of_run(folder)


def run_of(name: str) -> Path:
    """The folder of the runs of that recipe, or of that recipe with changes; else of one that comes
    with hardattn. Raises UsageError.
    """
    for top, file in ((RunOptions().out, RESULT), (shipped.SHIPPED, handed_on.CONFIG)):
        exact = top / name
        if exact.is_dir() and any(exact.rglob(file)):
            return exact
        near = sorted(path for path in top.glob(f"{escape(name)},*") if any(path.rglob(file)))
        if len(near) > 1:
            several = ", ".join(path.name for path in near)
            raise UsageError(f"{name}: there are {several} in {top}; say which")
        if near:
            return near[0]
    raise UsageError(
        f"{name}: no such folder, and no run called so in {RunOptions().out}; give that of a run, "
        f"runs/NAME/seed-N, or one that comes with hardattn: {', '.join(shipped.names())}"
    )


def of_run(folder: Path) -> Subject:
    """The agent of a finished run, with the weights that were measured."""
    result = handed_on.result_of(folder)
    agent, world = handed_on.build(result, folder)
    state = storage.read(folder / "best.pt")["agent"]
    try:
        agent.load_state_dict(state)
    except RuntimeError as fault:
        raise UsageError(f"{folder / 'best.pt'}: not the weights of {result['name']}") from fault
    return _subject(agent, world, result)


def exported(folder: Path) -> Subject:
    """The agent of a folder that was handed on."""
    agent, world = handed_on.load(folder)
    return _subject(agent, world, handed_on.config_of(folder))


def _subject(agent: Learner, world: World, told: Json) -> Subject:
    channels, height, width = told["world"]["image"]
    draw = DRAWS[told["recipe"].get("draw") or "greedy"]
    return Subject(
        agent,
        world,
        (channels, height, width),
        tuple(told["world"]["classes"]),
        told["name"],
        told["title"],
        draw,
    )


def _seed(path: Path) -> tuple[int, str]:
    number = path.parent.name.rpartition("-")[2]
    return (int(number) if number.isdigit() else 0, path.parent.name)
