"""A finished run, alive again: its recipe, its agent with the weights that were measured."""

import dataclasses
import types
from pathlib import Path
from typing import Any, NamedTuple

from experiments import agents, viewers
from experiments.config import Learning, Problem, Recipe, Run, UsageError

# By the name that a result has them under.
KINDS: dict[str, Any] = {
    name: kind
    for module in (agents, viewers)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
}


class Alive(NamedTuple):
    """What a run was trained and measured with."""

    recipe: Recipe
    setting: Any  # experiments.execute.Setting
    agent: Any
    test: Any  # hardattn.scenes.Scenes, frozen


class Rebuilt:
    """Runs made alive one after another; those of one problem share their scenes."""

    def __init__(self, device: str = "auto", root: Path | None = None):
        self.device, self.root = device, root
        self.problem: Problem | None = None
        self.setting: Any = None
        self.test: Any = None

    def run(self, folder: Path, result: dict[str, Any]) -> Alive:
        """The run whose result this is. Raises UsageError, DataError, CheckpointError."""
        from experiments.execute import prepare
        from hardattn.checkpoint import read
        from hardattn.scenes import frozen

        recipe = recipe_of(result, folder)
        if not (folder / "best.pt").exists():
            raise UsageError(f"{folder / 'best.pt'}: missing, so there is no agent: run it again")
        problem = recipe.problem
        if problem != self.problem:
            threads = result["made_with"].get("threads", 1)
            run = Run(device=self.device, threads=threads, root=self.root)
            self.setting = prepare(problem, run)
            split = self.setting.dataset.test
            self.test = frozen(self.setting.make, split, problem.test_seed, problem.test_draws)
            self.problem = problem
        setting = self.setting
        glimpse = setting.world.sensor.shape(setting.image)
        agent = recipe.agent.build(glimpse, setting.world, setting.image).to(setting.device)
        try:
            agent.load_state_dict(read(folder / "best.pt", setting.device)["agent"])
        except (KeyError, RuntimeError) as fault:
            raise UsageError(
                f"{folder / 'best.pt'}: not the weights of {result['name']}: run it again"
            ) from fault
        return Alive(recipe, setting, agent.eval(), self.test)


def recipe_of(result: dict[str, Any], where: Path) -> Recipe:
    """The recipe of a result; a setting that it does not name is as by default.

    Raises UsageError.
    """
    given = dict(result["recipe"])
    kind = KINDS.get(given.pop("agent", ""))
    if kind is None:
        raise UsageError(
            f"{where}: an agent that only its own program can build ({result['recipe']['agent']}); "
            "those of experiments.run can be built here"
        )
    parts: dict[str, Any] = {}
    for name, part in (("problem", Problem), ("agent", kind), ("learning", Learning)):
        kinds = {field.name: field.type for field in dataclasses.fields(part)}
        mine = {key: _typed(given.pop(key), kinds[key]) for key in list(given) if key in kinds}
        parts[name] = part(**mine)
    if given:
        raise UsageError(f"{where}: no recipe of this version has {', '.join(sorted(given))}")
    return Recipe(title=result["title"], about="", **parts)


def _typed(value: Any, kind: Any) -> Any:
    """As it was before JSON had it: see `experiments.execute.plain`."""
    if isinstance(value, list):
        return tuple(value)
    several = kind.__args__ if isinstance(kind, types.UnionType) else (kind,)
    return float(value) if isinstance(value, str) and float in several else value
