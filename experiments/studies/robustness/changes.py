"""What can be changed under a trained agent, or asked of it: `CHANGES`, one function each.

Each takes a `LoadedRun` and returns plain values; most are a curve: `at` (of `x`; `trained` is what
the agent learned with), and at each point the figures of one greedy pass over the frozen test
scenes. Raises NoMeaning, with the reason, where a scene or an agent has nothing to change.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from hardattn.data.memory import at_once
from hardattn.evaluation import stability
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import error, pointing
from hardattn.evaluation.scanpath import has_target, hit
from hardattn.maps import NOT_WEIGHTS, recorded, replaced, strongest
from hardattn.problem import SCENES
from hardattn.report.controls import script
from hardattn.report.results import record
from hardattn.rollout import DRAWS, Draw, rollout
from hardattn.scenes import MakeScenes, Scenes, add_clutter, concatenate, fixed_scenes
from hardattn.scenes.transforms import contrast, noise, occluded, shifted

from ...build import built
from ...kinds import Json
from ...revive import LoadedRun

PIECES = (0, 1, 2, 4, 8, 16)
FEW, MANY = 4, 16  # distractors in training, and in the test of generalisation
CONTRASTS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
NOISES = (0.0, 0.05, 0.1, 0.2, 0.4)
OCCLUSIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
CANVASES = (0.5, 0.75, 1.0, 1.5, 2.0)  # times the side of the canvas it learned on
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
BINS = 5
STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
SOME = 512  # scenes on which weights are drawn anew
ELSE = 1_000_003  # seed of weights that no run begins with


class NoMeaning(Exception):
    """This cannot be asked of that agent or that scene; says why."""


def clutter(subject: LoadedRun) -> Json:
    """Error against the number of pieces; targets stay where they are, pieces are added."""
    return _cluttered(subject, PIECES)


def distractors(subject: LoadedRun) -> Json:
    """From the 4 pieces that it learned with to 16."""
    trained = _pieces(subject)
    if trained != FEW:
        raise NoMeaning(f"it learned with {trained} pieces of clutter, not with {FEW}")
    return _cluttered(subject, (FEW, MANY))


def size(subject: LoadedRun) -> Json:
    """Error against the size of the target; clutter keeps its own."""
    problem = subject.recipe.problem
    if not {"zoom", "canvas"} <= _options(subject):
        raise NoMeaning(f"a {problem.scene.name} scene has no canvas for targets of another size")
    name = "zooms" if "zooms" in _options(subject) else "zoom"
    side = max(subject.setting.dataset.test.images.shape[2:])
    makes = {}
    for zoom in range(1, (problem.scene.get("canvas") or 0) // side + 1):
        make = _possible(subject, **{name: (zoom,) if name == "zooms" else zoom})
        if make is not None:
            makes[float(zoom * side)] = make
    if len(makes) < 2:
        raise NoMeaning("no target of another size fits its canvas")
    trained = None if problem.scene.get("zooms") else float((problem.scene.get("zoom") or 1) * side)
    points = [subject.look(_frozen(subject, make)) for make in makes.values()]
    return _curve("side of the target, pixels", list(makes), points, trained)


def position(subject: LoadedRun) -> Json:
    """Error against how far the target is from the centre: fifths of the test scenes."""
    columns = subject.columns
    if columns.box.shape[1] != 1:
        raise NoMeaning("its scenes have more targets than one")
    _boxed(subject)
    far = torch.linalg.vector_norm((columns.box[:, 0, :2] + columns.box[:, 0, 2:]) / 2, dim=1)
    if far.max() - far.min() < 1e-6:
        raise NoMeaning("its targets are all at the same distance from the centre")
    parts = far.argsort(stable=True).tensor_split(BINS)
    points = [_rows(columns, part) for part in parts]
    at = [100 * far[part].double().mean().item() for part in parts]
    return _curve("distance from the centre, % of half a side", at, points)


def contrasts(subject: LoadedRun) -> Json:
    """Error against contrast."""
    points = _changed(subject, lambda factor, _: partial(contrast, factor=factor), CONTRASTS)
    return _curve("contrast, %", _percent(CONTRASTS), points, 100.0)


def noises(subject: LoadedRun) -> Json:
    """Error against noise on the pixels."""
    points = _changed(subject, lambda std, drawn: partial(noise, std=std, generator=drawn), NOISES)
    return _curve("noise, % of white", _percent(NOISES), points, 0.0)


def occlusion(subject: LoadedRun) -> Json:
    """Error against the share of the target that is blanked."""
    _boxed(subject)

    def blank(share: float, drawn: torch.Generator) -> Callable[[Scenes], Scenes]:
        return partial(occluded, share=share, generator=drawn)

    points = _changed(subject, blank, OCCLUSIONS)
    return _curve("target blanked, %", _percent(OCCLUSIONS), points, 0.0)


def canvas(subject: LoadedRun) -> Json:
    """Error against the size of the canvas; targets and clutter keep theirs."""
    problem = subject.recipe.problem
    if "canvas" not in _options(subject):
        raise NoMeaning(f"a {problem.scene.name} scene has no canvas")
    trained = problem.scene.get("canvas") or subject.test.shape[-1]
    at, points = [], []
    for side in (round(trained * factor) for factor in CANVASES):
        make = _possible(subject, canvas=side)
        if make is not None and _sees(subject, make):
            at.append(float(side))
            points.append(subject.look(_frozen(subject, make)))
    if len(at) < 2:
        raise NoMeaning(f"the agent sees no images but those of {trained} pixels a side")
    return _curve("side of the canvas, pixels", at, points, float(trained))


def shift(subject: LoadedRun) -> Json:
    """What one pixel changes, mean over four directions: answers, error, looks, maps."""
    _still(subject)
    _, height, width = subject.test.shape
    found: list[Json] = []
    for right, down in STEPS:
        other = subject.look(shifted(subject.test, right, down))
        found.append(
            {
                "answers": stability.changed(subject.columns, other),
                "error": error(other),
                "looks": stability.moved(subject.columns, other, height, width),
                "maps": stability.map_correlation(subject.columns, other),
            }
        )
    means: Json = {"n": len(subject.test)}
    for key in found[0]:
        values = [each[key] for each in found]
        means[key] = None if None in values else sum(values) / len(values)
    return means


def randomisation(subject: LoadedRun) -> Json:
    """Whether maps, or else looks, know the weights: layers are drawn anew from the last on.

    Adebayo et al. (2018, arXiv:1810.03292): rank correlation with those before.
    """
    scenes = subject.test.slice(0, SOME)
    before = subject.look(scenes)
    mapped = stability.seen(before).numel() > 0
    if script(record(subject.result)):
        raise NoMeaning("its looks are scripted, so no weight decides where they fall")

    def alike(after: Columns) -> float | None:
        if mapped:
            return stability.map_correlation(before, after, ranks=True)
        return stability.looks_correlation(before, after)

    if alike(before) is None:
        raise NoMeaning("it has neither maps nor looks of its own")
    layers, correlations, errors = ["none"], [alike(before)], [error(before)]
    for name, agent in stability.cascade(subject.agent, subject.fresh(ELSE)):
        after = subject.look(scenes, agent)
        layers.append(name)
        correlations.append(alike(after))
        errors.append(error(after))
    return {
        "x": "layers drawn anew",
        "at": [float(count) for count in range(len(layers))],
        "of": "maps" if mapped else "looks",
        "layers": layers,
        "correlation": correlations,
        "error": errors,
        "n": len(scenes),
    }


def sparsity(subject: LoadedRun) -> Json:
    """Error against the share of every map that is kept: its largest entries."""
    with torch.no_grad(), recorded(subject.agent) as maps:
        rollout(subject.agent, subject.setting.world, subject.test.slice(0, 1), _draw(subject))
    if all(one.kind in NOT_WEIGHTS for one in maps):
        raise NoMeaning("it has no map of weights to make sparse")
    points = []
    for share in SHARES:
        with replaced(subject.agent, strongest(share)):
            points.append(subject.look(subject.test))
    return _curve("cells kept, %", _percent(SHARES), points, 100.0)


CHANGES: dict[str, Callable[[LoadedRun], Json]] = {
    "clutter": clutter,
    "distractors": distractors,
    "size": size,
    "position": position,
    "contrast": contrasts,
    "noise": noises,
    "canvas": canvas,
    "occlusion": occlusion,
    "shift": shift,
    "randomisation": randomisation,
    "sparsity": sparsity,
}


def _curve(
    x: str, at: list[float], points: Iterable[Columns], trained: float | None = None
) -> Json:
    points = list(points)
    return {
        "x": x,
        "at": at,
        "trained": trained,
        "error": [error(columns) for columns in points],
        "hit": [hit(columns) for columns in points],
        "pointing": [pointing(columns) for columns in points],
        "n": [len(columns.target) for columns in points],
    }


def _boxed(subject: LoadedRun) -> None:
    if not has_target(subject.columns).all():
        scene = subject.recipe.problem.scene.name
        raise NoMeaning(f"nobody knows where the target is in {scene} scenes")


def _rows(columns: Columns, which: torch.Tensor) -> Columns:
    return Columns(*(field[which] if len(field) else field for field in columns))


def _percent(shares: Iterable[float]) -> list[float]:
    return [100 * share for share in shares]


def _cluttered(subject: LoadedRun, counts: tuple[int, ...]) -> Json:
    problem, split = subject.recipe.problem, subject.setting.dataset.test.to("cpu")
    trained = _pieces(subject)
    zoom = problem.scene.get("zoom") or 1
    piece = problem.scene.get("distractor_size") or min(
        8, *(zoom * side for side in split.images.shape[2:])
    )
    bare = (
        _maker(subject, distractors=0)
        if "distractors" in _options(subject)
        else subject.setting.make
    )
    scenes = _frozen(subject, bare).to("cpu")
    drawn = torch.Generator().manual_seed(problem.test_seed)
    there, points = 0, []
    for count in counts:
        add = partial(
            add_clutter,
            split=split,
            generator=drawn,
            distractors=count - there,
            distractor_size=piece,
            zoom=zoom,
        )
        scenes, there = _by_parts(scenes, add), count
        points.append(subject.look(scenes.to(subject.setting.device)))
    return _curve("pieces of clutter", [*map(float, counts)], points, float(trained))


def _pieces(subject: LoadedRun) -> int:
    """How many pieces it learned with. Raises NoMeaning for scenes that clutter would not fit."""
    problem = subject.recipe.problem
    kind = SCENES[problem.scene.name]
    if kind.blank:
        return 0
    takes = inspect.signature(kind.make).parameters
    if "distractors" not in takes:
        raise NoMeaning(f"a {problem.scene.name} scene has no clutter")
    return problem.scene.get("distractors", takes["distractors"].default)


def _changed(
    subject: LoadedRun,
    change: Callable[[float, torch.Generator], Callable[[Scenes], Scenes]],
    levels: Iterable[float],
) -> list[Columns]:
    """At each level, with the same random numbers at all."""
    _still(subject)
    points = []
    for level in levels:
        drawn = torch.Generator().manual_seed(subject.recipe.problem.test_seed)
        points.append(subject.look(_by_parts(subject.test, change(level, drawn))))
    return points


def _still(subject: LoadedRun) -> None:
    if subject.setting.world.changes:
        raise NoMeaning("its scenes change while they are looked at")


def _by_parts(scenes: Scenes, change: Callable[[Scenes], Scenes]) -> Scenes:
    many = at_once(scenes.shape)
    parts = [change(scenes.slice(at, at + many)) for at in range(0, len(scenes), many)]
    return concatenate(parts)


def _maker(subject: LoadedRun, **options: Any) -> MakeScenes:
    problem = subject.recipe.problem
    problem = dataclasses.replace(problem, scene=problem.scene.but(**options))
    dataset = subject.setting.dataset
    return built(problem, dataset.classes, dataset.test.images.shape[1:]).make


def _frozen(subject: LoadedRun, make: MakeScenes) -> Scenes:
    problem = subject.recipe.problem
    return fixed_scenes(make, subject.setting.dataset.test, problem.test_seed, problem.test_draws)


def _options(subject: LoadedRun) -> set[str]:
    """What the function of its scene takes."""
    if subject.setting.world.changes:
        return set()
    return set(SCENES[subject.recipe.problem.scene.name].options)


def _possible(subject: LoadedRun, **options: Any) -> MakeScenes | None:
    """What makes such scenes; None if there are none: what is too large for a canvas is refused."""
    split = subject.setting.dataset.test.to("cpu")
    try:
        make = _maker(subject, **options)
        make(split, torch.arange(1), torch.Generator().manual_seed(0))
    except ValueError:
        return None
    return make


def _sees(subject: LoadedRun, make: MakeScenes) -> bool:
    """Whether the agent's layers take such scenes."""
    split = subject.setting.dataset.test
    scene = make(split.to("cpu"), torch.arange(1), torch.Generator().manual_seed(0))
    scene = scene.to(subject.setting.device)
    try:
        with torch.no_grad():
            rollout(subject.agent, subject.setting.world, scene, _draw(subject))
    except (RuntimeError, ValueError, IndexError):
        return False
    return True


def _draw(subject: LoadedRun) -> Draw:
    return DRAWS[subject.recipe.problem.draw]
