"""Who looks at megapixel digits, on which canvases, and what a cell of the study is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ...kinds import Settings
from ...options.option import UsageError
from ...recipe import ProblemOptions, Recipe, Spec
from ...recipes import RECIPES

CANVASES = (1500, 4096, 8192)
# Trainings of minutes see few scenes; these are small at first, so that looks fall on digits.
GROWING = 0.7
SHORT: Settings = {"lr": 2e-3, "warmup": 20, "max_grad_norm": 5.0}
MEBIBYTES, MINUTES = 4096, 20.0  # what a cell may hold at most, and take of one core to learn
KEPT = 10  # patches that are looked at finely
WINDOW, PATCH = 256, 64  # of those that go over all of the image, window by window


def grid(canvas: int) -> Spec:
    """The cells that patches lie in: on 1500 pixels those of the recipes; on more, those of a view.

    A view has 125 pixels a side, and what lies in one of them cannot be told apart by it. Patches
    of 64 go through the same network as those of 50.
    """
    cells, side = (50, 50) if canvas <= 1500 else (125, PATCH)
    return Spec("several", rows=cells, columns=cells, count=KEPT, side=side)


@dataclass(frozen=True)
class Who:
    """An agent, and how it looks at a canvas."""

    title: str
    recipe: str
    """Whose scenes, options and settings it has."""
    change: Callable[[Recipe, int], Recipe] = lambda recipe, canvas: recipe
    """What it has of its own on a canvas."""
    batch: int = 16
    """Scenes an update."""
    moves: bool = False
    """Whether its weights can be used on another canvas."""


def _looks(recipe: Recipe, agent: Spec, estimator: Spec, **problem: object) -> Recipe:
    changed: ProblemOptions = replace(recipe.problem, **problem)  # type: ignore[arg-type]
    return replace(recipe, agent=agent, estimator=estimator, problem=changed)


def _windows(recipe: Recipe, canvas: int) -> Recipe:
    """All of the image, in windows: their number grows with it, and what is held does not."""
    rows = -(-canvas // WINDOW)
    agent = Spec("iterative_patch_selection", patch=PATCH, kept=KEPT, filters=8)
    retina = Spec("retina", size=WINDOW, scales=1)
    looks = rows**2 + 1
    return _looks(recipe, agent, Spec("reinforce"), sensor=retina, looks=looks, context="none")


def _capacity(recipe: Recipe, canvas: int) -> Recipe:
    return replace(recipe, agent=Spec("dynamic_capacity", filters=8), estimator=Spec("reinforce"))


def _glimpses(recipe: Recipe, canvas: int) -> Recipe:
    """Ten looks of 64 x 64, one after another, at three scales."""
    retina = Spec("retina", size=PATCH // 2, scales=3)
    agent = Spec("ram", std=0.2, filters=8, filter_stride=2)
    learns = Spec("per_look_gain", discount=0.7)
    return _looks(recipe, agent, learns, sensor=retina, looks=KEPT, context="none", each=True)


def _whole(agent: Spec) -> Callable[[Recipe, int], Recipe]:
    """Who sees every pixel at once."""

    def change(recipe: Recipe, canvas: int) -> Recipe:
        seen: dict[str, object] = {"sensor": Spec("whole"), "looks": 1, "first": "centre"}
        return _looks(recipe, agent, Spec("reinforce"), context="none", **seen)

    return change


SAMPLING, SELECTION = "attention-sampling-megapixels", "patch-selection-megapixels"
AGENTS: dict[str, Who] = {
    "attention-sampling": Who("attention sampling", SAMPLING, moves=True),
    "patch-selection": Who("patch selection", SELECTION, batch=8),
    "random-patches": Who("random patches", f"random-{SAMPLING}", moves=True),
    "dynamic-capacity": Who("dynamic capacity", SAMPLING, _capacity, moves=True),
    "ram": Who("RAM", SAMPLING, _glimpses, moves=True),
    "iterative-patch-selection": Who(
        "iterative patch selection", SAMPLING, _windows, batch=2, moves=True
    ),
    "cnn": Who("CNN, whole image", SAMPLING, _whole(Spec("full_view", net="small_cnn")), 1),
    "vit": Who("ViT, whole image", SAMPLING, _whole(Spec("soft", backbone="vit_32", width=24)), 1),
}


@dataclass(frozen=True)
class Cell:
    """An agent on a canvas."""

    agent: str
    canvas: int

    @property
    def name(self) -> str:
        """As it is typed, and as its folder is called."""
        return f"{self.agent}-{self.canvas}"

    @property
    def who(self) -> Who:
        """The agent."""
        return AGENTS[self.agent]

    @property
    def recipe(self) -> Recipe:
        """What is trained and measured."""
        found = RECIPES[self.who.recipe]
        scene = found.problem.scene.but(canvas=self.canvas)
        sensor = grid(self.canvas)
        found = replace(found, problem=replace(found.problem, scene=scene, sensor=sensor))
        if "share" in found.agent.options:
            share = KEPT / (sensor.options["rows"] * sensor.options["columns"])
            found = replace(found, agent=found.agent.but(share=share))
        found = self.who.change(found, self.canvas)
        growing = 0.0 if found.problem.sensor.name == "whole" else GROWING
        changed: Settings = {"growing": growing, "batch_size": self.who.batch, **SHORT}
        return replace(found, training=replace(found.training, **changed))


CELLS: tuple[Cell, ...] = tuple(Cell(agent, canvas) for canvas, agent in product(CANVASES, AGENTS))


def chosen(names: Sequence[str]) -> list[Cell]:
    """Those of these names; all where there are none. Raises UsageError."""
    known = {cell.name: cell for cell in CELLS}
    for name in names:
        if name not in known:
            raise UsageError(f"no cell {name!r}: choose some of {', '.join(known)}")
    return [known[name] for name in names] or list(CELLS)
