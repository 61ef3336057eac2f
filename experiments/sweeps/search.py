"""A random search for the settings of a recipe: trials of a part of its budget, by validation.

Optuna (https://optuna.org) draws the settings and keeps what became of them in a journal, a file
that several machines may share. What trial number n has follows from the seed and n alone, so a
search that was stopped goes on as if it had not been, and one of eight trials is the beginning of
one of twelve. The trials are ordinary runs that leave the test images alone; what failed counts as
a trial.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hardattn.rng import mix
from hardattn.training.loop import KEEP

from ..command_line.parse import called, parse
from ..command_line.words import Origin, as_words, overrides
from ..kinds import Json, Settings
from ..options.space import Space, rounded
from ..recipe import Recipe, RunOptions, UsageError
from ..recipes import RECIPES
from .parallel import Swept, Training

SHARE = 0.25  # of the images of a whole training
TRIAL_SEED = 1000  # none of those that are compared
DIVERGED = 3  # the exit code
ALONE = ("seed", "out", "again", "validate_only")  # of RunOptions: a search has its own


class Trial(NamedTuple):
    """What became of one trial."""

    number: int
    values: Settings
    error: float | None
    """On validation images; None of one that failed, or that is not over."""
    failed: str = ""
    """Why."""

    @property
    def over(self) -> bool:
        """Whether it is not to be tried again."""
        return self.error is not None or bool(self.failed)


def journal(out: Path) -> Path:
    """Where a search keeps its trials, if nobody says."""
    return out / "search" / "journal.log"


class Search:
    """The trials of one recipe.

    Args:
        words: Of `hardattn train`: the recipe, with what is not searched.
        trials: How many in all.
        storage: The journal; by default one beside the trials' runs.
        seed: Of the draws.
    """

    def __init__(
        self, words: Sequence[str], trials: int, storage: Path | None = None, seed: int = 0
    ):
        self.full_name, self.full, self.run = parse(words)
        self.base, self.trials, self.seed = self.full_name.partition(",")[0], trials, seed
        self.space: Space = self.full.space
        if not self.space:
            having = ", ".join(name for name, one in RECIPES.items() if one.space)
            raise UsageError(f"recipe {self.base!r} has no space to search; these have: {having}")
        known = {flag.name for flag in self.full.flags()}
        if strange := [each.flag for each in self.space if each.flag not in known]:
            raise UsageError(f"recipe {self.full_name!r} has no {strange[0]!r} to search any more")
        self.name, self.recipe = called(self.base, RECIPES[self.base], shortened(self.full))
        self.study = opened(storage or journal(Path(self.run.out)), self.name)

    def begin(self) -> None:
        """Draw the settings of all trials that were not drawn yet.

        What ended without being kept, as the process that was to keep it was stopped, is kept now.
        """
        import optuna

        for number in range(len(self.study.trials), self.trials):
            self.study.sampler = optuna.samplers.RandomSampler(mix(self.seed, number) % 2**32)
            trial = self.study.ask()
            for each in self.space:
                each.draw(trial)
        for kept in self.found():
            if not kept.over and (training := self.training(kept)).finished:
                self._finished(kept, training)

    def found(self) -> list[Trial]:
        """All trials, in their order."""
        return [self._read(one) for one in self.study.trials[: self.trials]]

    def commands(self) -> list[list[str]]:
        """The words after `hardattn train` of each trial that is not over."""
        return [self.words(one) for one in self.found() if not one.over]

    def words(self, trial: Trial) -> list[str]:
        """Those of one trial."""
        return [
            *as_words(Origin(self.base, overrides(self.base, self.recipe.changed(trial.values)))),
            *("--seed", str(TRIAL_SEED), "--out", str(Path(self.run.out) / "search")),
            *("--validate-only", "True"),
            *self._where(),
        ]

    def training(self, trial: Trial) -> Training:
        """The run of one trial."""
        words = self.words(trial)
        return Training(words, *parse(words))

    def note(self, ended: Sequence[Swept]) -> None:
        """Keep what became of trials, of all those that ended."""
        by_folder = {each.training.folder: each for each in ended}
        for trial in self.found():
            training = self.training(trial)
            one = by_folder.get(training.folder)
            if trial.over or one is None:
                continue
            if training.finished:
                self._finished(trial, training)
            elif why := failed(one):
                self._failed(trial, why)

    def take(self, told: Sequence[Json]) -> None:
        """Keep what became of trials elsewhere: values, error, failed, of each in their order.

        Raises UsageError where their settings are not those that this search draws.
        """
        self.begin()
        for trial, one in zip(self.found(), told, strict=False):
            if trial.values != one["values"]:
                raise UsageError(
                    f"trial {trial.number} of {self.name} has other settings by now: "
                    "its space is another one"
                )
            if trial.over:
                continue
            if one["failed"]:
                self._failed(trial, one["failed"])
            elif one["error"] is not None:
                self.study.tell(trial.number, one["error"])

    def best(self) -> Trial | None:
        """The trial with the least error, the first of equals; None before any is over."""
        sound = [one for one in self.found() if one.error is not None]
        return min(sound, key=lambda one: (one.error, one.number), default=None)

    def chosen(self, trial: Trial) -> Origin:
        """The recipe with the settings of a trial, for all of its images."""
        return Origin(self.base, overrides(self.base, self.full.changed(trial.values)))

    def _finished(self, trial: Trial, training: Training) -> None:
        """Keep what a trial came to."""
        error = judged(self.recipe, training.result)
        self.study.tell(trial.number, error, skip_if_finished=True)

    def _failed(self, trial: Trial, why: str) -> None:
        """Keep that a trial failed."""
        import optuna

        self.study.set_user_attr(f"failed {trial.number}", why)
        state = optuna.trial.TrialState.FAIL
        self.study.tell(trial.number, state=state, skip_if_finished=True)

    def _read(self, frozen: Any) -> Trial:
        values = {
            name: rounded(value) if isinstance(value, float) else value
            for name, value in frozen.params.items()
        }
        told = self.study.user_attrs.get(f"failed {frozen.number}", "failed")
        failed = str(told) if frozen.state.name == "FAIL" else ""
        error = frozen.value if frozen.state.name == "COMPLETE" else None
        return Trial(frozen.number, values, error, failed)

    def _where(self) -> list[str]:
        """How and where its runs are to go, as words."""
        words, plain = [], RunOptions()
        for each in dataclasses.fields(RunOptions):
            value = getattr(self.run, each.name)
            if each.name not in ALONE and value != getattr(plain, each.name):
                several = value if isinstance(value, tuple) else (value,)
                words += [f"--{each.name.replace('_', '-')}", *map(str, several)]
        return words


def shortened(recipe: Recipe) -> Recipe:
    """The same with SHARE of its images, validated at their end at the latest."""
    training = recipe.training
    images = max(1, int(SHARE * training.images))
    every = min(training.validate_every, images)
    return recipe.changed({"images": images, "validate_every": every})


def judged(recipe: Recipe, result: Path) -> float:
    """The validation error of the weights that a finished trial kept."""
    curve = json.loads(result.read_text())["training"]["curve"]
    return KEEP[recipe.training.keep]([(seen, error) for seen, error in curve])[1]


def failed(ended: Swept) -> str:
    """Why a training failed whose settings are to blame; "" of one to be tried again."""
    if ended.code == DIVERGED:
        return f"diverged: {ended.last.removeprefix('error: ')}"
    if "out of memory" in ended.last or (ended.code is not None and ended.code == -9):
        return "out of memory"
    return ""


def opened(storage: Path, name: str) -> Any:
    """The study of that name in a journal. Raises ImportError without Optuna."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    kept = optuna.storages.JournalStorage(JournalFileBackend(str(storage)))
    return optuna.create_study(
        storage=kept, study_name=name, direction="minimize", load_if_exists=True
    )


def table(search: Search) -> str:
    """A line a trial, and what to say to train with the best of them."""
    found, best = search.found(), search.best()
    flags = [each.flag for each in search.space]
    rows = [("trial", *flags, "validation error %")]
    for one in found:
        error = "" if one.error is None else f"{100 * one.error:.2f}"
        shown = error or one.failed or "not over"
        rows.append((str(one.number), *(f"{one.values.get(each)}" for each in flags), shown))
    width = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(f"{cell:>{width[at]}}" for at, cell in enumerate(row)).rstrip() for row in rows
    ]
    count = sum(bool(one.failed) for one in found)
    lines.insert(0, f"{search.name}: {len(found)} trials, {count} failed")
    if best is not None:
        lines.append(f"best: hardattn train {' '.join(as_words(search.chosen(best)))}")
    return "\n".join(lines)
