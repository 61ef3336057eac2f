"""One run from recipe to result: the folder, its lock, the training, the measuring."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from hardattn import storage
from hardattn.agents import Normalised
from hardattn.data import Dataset, load, moments, subsample
from hardattn.data.album import Album
from hardattn.data.memory import at_once
from hardattn.device import choose, tune
from hardattn.estimators import refuse
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import Columns
from hardattn.nn.networks import Normalise
from hardattn.problem import Problem as Built
from hardattn.rollout import DRAWS, Agent, rollout
from hardattn.scenes import MakeScenes, Scenes, fixed_scenes
from hardattn.sensors import Retina
from hardattn.training.distributed import here
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log
from hardattn.training.loop import TrainingResult, train
from hardattn.training.metrics import NotFinite
from hardattn.world import World

from .build import Estimator, Learner, agent as build_agent, built, estimator as build_estimator
from .kinds import Json
from .measure import controls, figures_of, learning, measure, mixed
from .recipe import ProblemOptions, Recipe, RunOptions, Spec, UsageError
from .recipes import RECIPES
from .records import sources, timing
from .records.claim import claim, controls_of, origin, plain
from .records.folder import Busy, failing, kept_if_used, locked, result_name
from .records.machine import commit, made_with

DRAWS_OF_CONTROLS = 5  # of random looks: one alone would be luck that all are compared with
EXAMPLES = 24  # test scenes kept as pictures
FAILURES = 12  # and as many that were answered wrong


Work = Callable[[str, Recipe, RunOptions, str, Path], Json]


class Setting(NamedTuple):
    """A recipe's problem, alive on a device."""

    device: torch.device
    product: str  # which matrix product it has
    dataset: Dataset
    make: MakeScenes
    world: World
    answers: tuple[str, ...]
    validation: Scenes
    image: tuple[int, int, int]

    @property
    def data(self) -> str:
        """The hash of the dataset's content."""
        return self.dataset.fingerprint

    @property
    def smallest(self) -> tuple[int, int, int]:
        """(C, H, W) of the image of which looks show most, where each has a size of its own."""
        splits = self.dataset.train, self.dataset.validation, self.dataset.test
        own = [one.images.smallest for one in splits if isinstance(one.images, Album)]
        channels, height, width = map(min, zip(self.image, *own, strict=True))
        return channels, height, width

    @property
    def problem(self) -> Built:
        """What is looked at, and what is asked."""
        return Built(self.world, self.make, self.answers)

    @property
    def retina(self) -> tuple[int, int] | None:
        """Size and scales, if it is looked through one, and images are drawn in their own size."""
        sensor = self.world.sensor
        if not isinstance(sensor, Retina) or self.stretched:
            return None
        return sensor.size, sensor.scales

    @property
    def stretched(self) -> bool:
        """Whether images are drawn in another size than that in which they are looked at."""
        return self.smallest != self.image


def execute(name: str, recipe: Recipe, run: RunOptions, command: str, work: Work) -> Json:
    """Train and measure, or take up where a stopped run was, or read what was already found.

    Says so where it was found before; `run.again` begins anew. work: trains and measures in a
    folder that is its own, and returns the result. Why a run failed is left in its folder.

    Of several processes of one training the first does all that; the others learn in step with it,
    and return {}.
    """
    folder, ranks = Path(run.out) / name / f"seed-{run.seed}", here()
    run = replace(run, device=ranks.device(run.device))
    if not ranks.first:
        begun = ranks.from_first(bool)
        ranks.same("recipe", plain(recipe.settings()) | {"seed": run.seed})
        return work(name, recipe, run, command, folder) if begun else {}
    with kept_if_used(folder, NotFinite, Stopped, Busy), locked(folder):
        claim(folder, name, recipe, run, command)
        done = folder / result_name(run.validate_only)
        ranks.from_first(lambda: run.again or not done.exists())
        ranks.same("recipe", plain(recipe.settings()) | {"seed": run.seed})
        if done.exists() and not run.again:
            result = json.loads(done.read_text())
            print(sources.used_again(folder, result), file=sys.stderr)
            return result
        with failing(folder):
            result = work(name, recipe, run, command, folder) | sources.noted(folder)
            result |= origin(name, recipe) | controls_of(name, recipe)
            storage.replace_text(done, json.dumps(result, indent=1) + "\n")
        return result


def begin(
    folder: Path,
    recipe: Recipe,
    run: RunOptions,
    setting: Setting,
    agent: Learner,
    estimator: Estimator | None = None,
) -> None:
    """The training of a run begins, or goes on: see `sources.begin`. Everything is built by now."""
    made_of = things(recipe, setting, agent, estimator)
    sources.begin(folder, made_of, setting.data, commit(), run.again)


def things(
    recipe: Recipe, setting: Setting, agent: Learner, estimator: Estimator | None = None
) -> tuple[object, ...]:
    """What a run's figures are made by, whose sources count."""
    world = setting.world
    seen = (world, world.sensor, world.task, setting.make)
    return type(agent), agent, estimator, *seen, train, rollout


def prepare(problem: ProblemOptions, run: RunOptions) -> Setting:
    """Load the data, freeze the validation scenes, build the world."""
    product = tune(run.threads)
    device = choose(run.device)
    dataset = here().once(problem.dataset, lambda: load(problem.dataset, run.root, device))
    if dataset.said:
        print(dataset.said, file=sys.stderr)
    if (share := problem.test_fraction) is not None:
        dataset = dataset.measured_on(share, problem.test_seed)
    world, make, answers = built(problem, dataset.classes, dataset.train.images.shape[1:])
    validation = fixed_scenes(make, dataset.validation, problem.test_seed + 1, problem.test_draws)
    return Setting(device, product, dataset, make, world, answers, validation, validation.shape)


def work(name: str, recipe: Recipe, run: RunOptions, command: str, folder: Path) -> Json:
    """Train with `hardattn.training.loop.train`, and measure."""
    setting, share = prepare(recipe.problem, run), recipe.problem.train_fraction
    world, dataset = setting.world, setting.dataset
    if share is not None:
        dataset = replace(dataset, train=subsample(dataset.train, share, run.seed))
    agent = build(recipe, world, setting.image, run.seed).to(setting.device)
    if isinstance(agent, Normalised):
        agent.of(*moments(dataset.train))
    assert recipe.estimator is not None
    training, ranks, name_of = recipe.training, here(), recipe.estimator.name
    shares = training.curriculum, training.led, ranks.size
    refuse(name_of, agent, world, setting.validation, *shares)
    estimator = build_estimator(recipe.estimator, agent, world)
    ranks.same("data", dataset.fingerprint)
    if ranks.first:
        begin(folder, recipe, run, setting, agent, estimator)
    log = log_of(folder, name, run, setting)
    busy = ExitStack()
    if ranks.first:
        busy.enter_context(timing.work())
    try:
        trained = train(
            agent,
            setting.problem,
            estimator,
            dataset,
            setting.validation,
            folder,
            recipe.training,
            seed=run.seed,
            draw=DRAWS[recipe.problem.draw],
            log=log,
            ranks=ranks,
            capture=run.capture,
        )
        busy.close()
        if not ranks.first:
            return {}
        if run.validate_only:
            return validated(setting, name, recipe, run, command, record(trained))
        result = conclude(setting, name, recipe, run, command, folder, agent, record(trained))
        result["cost"]["training_flops"] = learning(agent, world, estimator, setting.validation)
        finish(log, recipe, run, result)
        return result
    finally:
        busy.close()
        log.close()


def log_of(folder: Path, name: str, run: RunOptions, setting: Setting) -> Log:
    """The log of a run, which knows what is looked at and what is answered."""
    title = f"{name} seed {run.seed}"
    return Log(folder, title, retina=setting.retina, classes=setting.answers, tracked=run.track)


def build(recipe: Recipe, world: World, image: tuple[int, int, int], seed: int = 0) -> Learner:
    """The recipe's agent with weights of that seed, untrained."""
    torch.manual_seed(seed)
    glimpse = world.sensor.shape(image)
    agent = build_agent(recipe.agent, glimpse, world, image)
    if not recipe.problem.normalise:
        return agent
    if any(isinstance(part, Normalise) for part in agent.modules()):
        raise UsageError("its network normalises images by itself: give --normalise False")
    return cast(Learner, Normalised(agent, glimpse, image[0]))


def estimator(recipe: Recipe, agent: Agent, world: World) -> Estimator:
    """The function that weights are found by."""
    return build_estimator(recipe.estimator, agent, world)


def conclude(
    setting: Setting,
    name: str,
    recipe: Recipe,
    run: RunOptions,
    command: str,
    folder: Path,
    agent: Learner,
    training: Json,
) -> Json:
    """Measure the agent on the test scenes; leave columns and pictures; return the result.

    training: how it came about, see `record`.
    """
    problem, world = recipe.problem, setting.world
    draw = DRAWS[problem.draw]
    agent.eval()
    test = fixed_scenes(setting.make, setting.dataset.test, problem.test_seed, problem.test_draws)
    draws = DRAWS_OF_CONTROLS if script_of(recipe) == "random" else 1
    with timing.work():
        measured = measure(agent, world, test, draw, run.seed, draws)
        changed = controls(agent, world, test, draw)
    made = made_with(setting.device, run.threads, setting.product)
    if here().size > 1:
        made["processes"] = here().size
    with timing.alone() as free:
        costs = cost.measure(agent, world, test, draw, timed=free)
    costs["architecture"] = timing.architecture(recipe, made)
    result = {
        "format": 2,
        "name": name,
        "title": recipe.title,
        "seed": run.seed,
        "command": command,
        "recipe": plain(recipe.settings()),
        "sees": world.sees(setting.smallest),
        "scenes": problem.scenes(),
        "world": _world(problem.sensor.name, world, setting.answers, setting.image)
        | {"source": list(setting.dataset.test.images.shape[1:])}
        # Neither frames nor glimpses can be drawn anew on what is stretched.
        | ({"size": None, "scales": None} if setting.stretched else {}),
        "parameters": costs["parameters"],
        "flops": costs["flops"],
        "cost": costs,
        "figures": figures_of(measured, world.task),
        "training": training,
        "made_with": made,
        "controls": changed,
    }
    result |= _known(setting, agent)
    kinds = [kind for kind in measured if kind != "averaged"]
    columns = {kind: measured[kind]._asdict() for kind in kinds}
    storage.write(folder / "columns.pt", columns)
    wrong = failures(measured["greedy"], FAILURES)
    most = at_once(test.shape)  # of large scenes fewer are kept to be shown
    wrong = wrong[:most]
    few, failed = test.slice(0, min(EXAMPLES, most)), test.rows(wrong.to(test.device))
    kept = _pictures(few) | {"failures": {"index": wrong, **_pictures(failed)}}
    storage.write(folder / "examples.pt", kept)
    return result


def validated(
    setting: Setting, name: str, recipe: Recipe, run: RunOptions, command: str, training: Json
) -> Json:
    """The result of a run that left the test images alone."""
    return {
        "name": name,
        "title": recipe.title,
        "seed": run.seed,
        "command": command,
        "recipe": plain(recipe.settings()),
        "training": training,
        "made_with": made_with(setting.device, run.threads, setting.product),
    }


def _known(setting: Setting, agent: Learner) -> Json:
    """What else there is to say: of classes, boxes, normalised images, what was mixed."""
    found: Json = {}
    if setting.world.named not in (0, len(setting.answers)):
        found["named"] = setting.world.named
    if setting.dataset.test.boxes is not None:
        found["boxed"] = True  # although its scenes do not place the target themselves
    if isinstance(agent, Normalised):
        found["normalised"] = {"mean": agent.mean.tolist(), "spread": agent.spread.tolist()}
    if shares := mixed(agent):
        found["shares"] = shares
    return found


def failures(columns: Columns, most: int) -> Tensor:
    """(n,) int64: the test scenes that were answered wrong, the most confident first."""
    wrong = (~columns.correct[:, -1]).nonzero()[:, 0]
    sure = columns.confidence[wrong, -1].nan_to_num(0.0)
    return wrong[sure.argsort(descending=True, stable=True)[:most]]


def _pictures(scenes: Scenes) -> Json:
    """What the report shows of scenes; copies, as a slice would be stored with all of its whole.

    With the cue, where there is one.
    """
    few = scenes.to("cpu")
    image = few.image.clone() if isinstance(few.picture, Tensor) else few.image
    cue = {"cue": few.cue.clone()} if few.cue.numel() else {}
    return {"image": image, "target": few.target.clone(), "box": few.box.clone(), **cue}


def finish(log: Log, recipe: Recipe, run: RunOptions, result: Json) -> None:
    """Tell TensorBoard what came of which settings."""
    greedy = result["figures"]["greedy"]
    log.finish(
        plain(recipe.settings()) | {"seed": run.seed},
        {f"test/{key}": value for key, value in greedy.items() if isinstance(value, float | list)},
        {"seed", *compared(recipe, RECIPES)},
    )


def compared(recipe: Recipe, recipes: dict[str, Recipe]) -> list[str]:
    """The settings that tell runs apart: the agent's own, and others that differ among recipes."""
    own = {flag.name for flag in recipe.flags() if flag.part == "agent"}
    others = [one.settings() for one in recipes.values()]
    return [
        name
        for name, value in recipe.settings().items()
        if name in own or any(name in one and one[name] != value for one in others)
    ]


def script_of(recipe: Recipe) -> str | None:
    """The script that looks instead of its agent, if one does."""
    return recipe.agent.get("script") if isinstance(recipe.agent, Spec) else None


def _world(
    sensor: str, world: World, answers: tuple[str, ...], image: tuple[int, int, int]
) -> Json:
    look = {"size": None, "scales": None} | {
        key: value for key, value in vars(world.sensor).items() if isinstance(value, int | float)
    }
    told = world.context_shape(image)
    return {
        "looks": world.looks,
        "pixels_before": told[1] * told[2] if len(told) == 3 else 0,
        "pixels_per_look": world.sensor.pixels(image),
        "sensor": sensor,
        **look,
        "image": list(image),
        "changes": world.changes,
        "classes": list(answers),
    }


def record(trained: TrainingResult) -> Json:
    """Of a training, what a result keeps."""
    return {
        "images": trained.images,
        "seconds": round(trained.spent.seconds, 2),
        "cpu_seconds": round(trained.spent.cpu_seconds, 2),
        "images_per_second": round(trained.images / trained.spent.seconds, 1),
        "best_images": trained.best_images,
        "curve": [list(point) for point in trained.curve],
    }
