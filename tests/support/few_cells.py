"""A few cells of the comparison of hard with soft, and trainings that are written, not trained."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.run import plain
from hardattn.experiments.studies.hard_or_soft import cells, plan
from hardattn.experiments.studies.hard_or_soft.measure import Given
from hardattn.experiments.studies.hard_or_soft.plan import QUICK
from hardattn.experiments.sweeps.parallel import Swept, Training
from hardattn.experiments.sweeps.search import DIVERGED, TRIAL_SEED

NAMES = ("ram-search-digits", "random-ram-search-digits", "path-ram-search-digits")
PATH = "path:" + ",".join(["0.500"] * 10)


def few() -> list[cells.Cell]:
    """Cells as a plan has them, but not measured."""
    there = {one.name: one for one in cells.given(Path("nowhere"))}
    return [plan.shortened(there[name], QUICK) for name in (*NAMES, "cnn-search-digits")]


class Pool:
    """In place of processes: what each training came to is written down."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.bad: Callable[[Training], bool] = lambda training: False
        self.error: Callable[[Training], float] = lambda training: training.recipe.training.lr * 10

    def __call__(
        self, commands: Sequence[list[str]], jobs: int, place: Any, tell: Any, enough: Any
    ) -> int:
        ended = []
        for words in commands:
            training = Training(list(words), *parse(list(words)))
            if enough():
                ended.append(Swept(training, None, ""))
                continue
            self.asked.append(list(words))
            training.folder.mkdir(parents=True, exist_ok=True)
            told = plain(training.recipe.settings()) | {"seed": training.run.seed}
            (training.folder / "recipe.json").write_text(json.dumps(told))
            if self.bad(training):
                ended.append(Swept(training, DIVERGED, "error: no number"))
                continue
            content = {"curve": [[512, self.error(training)]], "cpu_seconds": 1_800.0}
            training.result.write_text(json.dumps({"training": content}))
            ended.append(Swept(training, 0, ""))
        tell(ended)
        return next((one.code for one in ended if one.code), 0)


def given(out: Path, **named: Any) -> Given:
    return Given(out, QUICK, 1, **named)


def kinds(asked: Sequence[list[str]]) -> list[str]:
    """Of trainings, trial or which script and seed."""
    found = []
    for words in asked:
        _, recipe, run = parse(words)
        if run.validate_only:
            assert run.seed == TRIAL_SEED
            found.append(f"trial {recipe.agent.name}")
        else:
            script = str(recipe.agent.get("script") or recipe.agent.name).partition(":")[0]
            found.append(f"{script} {run.seed}")
    return found
