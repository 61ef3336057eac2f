"""The named problems: each a scene of a dataset, looked at through a retina.

`gymnasium.make("hardattn/<Name>-v0")` has the name and its version; the rows are here.
"""

import difflib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from hardattn.data import Split
from hardattn.problem import SCENES, problem
from hardattn.sensors import SENSORS
from hardattn.world import CONTEXTS, FIRST_LOOKS

from .episodes import Problem, classes_of, split_of

WORLD = ("looks", "first", "context", "reach")
CHOICES: dict[str, Any] = {"sensor": SENSORS, "first": FIRST_LOOKS, "context": CONTEXTS}
TEN = tuple("0123456789")  # as many classes as each of the datasets has
INVENTED = 1000  # images that one pass shows of a problem whose scenes come from no dataset


@dataclass(frozen=True)
class Entry:
    """One named problem: what it is about, and its settings, all of which can be set otherwise."""

    about: str
    dataset: str  # "" for scenes that are invented
    scene: str
    settings: dict[str, Any]
    versions: str = "v0: first version."


SMALL: dict[str, Any] = {"canvas": 48, "zoom": 2, "size": 6, "scales": 3, "looks": 6}
LARGE: dict[str, Any] = {"canvas": 60, "size": 12, "scales": 3, "looks": 8}
CUED: dict[str, Any] = {"distractors": 4, "context": "cue", "first": "centre"}
TELLING: dict[str, Any] = {"small": 1, "large": 2, "digits": 3, "looks": 10}
MATCHED: dict[str, Any] = {"candidates": 20, "looks": 6, "context": "cue", "first": "centre"}
CLUTTER: dict[str, Any] = {"distractors": 4, "distractor_size": 8}

# By dataset, the settings of its scenes.
DIGITS: dict[str, dict[str, Any]] = {
    "Plain": {"zoom": 3, "size": 6, "scales": 1, "looks": 6},
    "Translated": SMALL,
    "Cluttered": SMALL | CLUTTER,
    "Pair": SMALL | {"looks": 8},
    "Sequence": SMALL | {"canvas": 64, "digits": 3, "gap": 2, "looks": 12},
    "Captions": TELLING | {"canvas": 48, "size": 6, "scales": 3},
    "Matching": MATCHED | {"canvas": 32, "size": 6, "scales": 2},
    "Search": SMALL | CUED,
    "Localise": SMALL | CLUTTER,
    "Majority": SMALL | CLUTTER | {"canvas": 96, "looks": 12},
}
MNIST: dict[str, dict[str, Any]] = {
    "Plain": {"size": 8, "scales": 1, "looks": 6},
    "Translated": LARGE | {"looks": 6},
    "Cluttered": LARGE | CLUTTER,
    "Pair": LARGE | {"canvas": 100, "scales": 4},
    "Sequence": LARGE | {"canvas": 100, "digits": 3, "gap": 2, "looks": 12},
    "Captions": TELLING | {"canvas": 112, "across": 2, "size": 12, "scales": 4},
    "Matching": MATCHED | {"canvas": 112, "size": 12, "scales": 3},
    "Search": LARGE | CUED | {"canvas": 84},
    "Localise": LARGE | CLUTTER,
    "Majority": LARGE | CLUTTER | {"canvas": 124, "scales": 4, "looks": 16},
}
ABOUT = {
    "Plain": "Which class is this image of?",
    "Translated": "Which class is the image that lies somewhere on a blank canvas?",
    "Cluttered": "Which class is the image that lies somewhere among pieces of others?",
    "Pair": "Which two classes are the two images on the canvas?",
    "Sequence": "Which classes are the images of a row, one by one, and where does it end?",
    "Captions": "Which images lie where, and how large are they? In a sentence, word by word.",
    "Matching": "Which of twenty sentences says what is there?",
    "Search": "In which of 3 x 3 cells is the image of the class that is named?",
    "Majority": "Of which class are three of the five images on the canvas?",
    "Localise": "At which of 5 x 5 places is the image, among pieces of others?",
}
SOURCES = {
    "Digits": ("digits", "Scikit-learn's digits", DIGITS),
    "Mnist": ("mnist", "MNIST", MNIST),
    "FashionMnist": ("fashion_mnist", "Fashion-MNIST", MNIST),
}

CATALOGUE: dict[str, Entry] = {
    name + scene: Entry(f"{title}. {ABOUT[scene]}", dataset, scene.lower(), settings)
    for name, (dataset, title, scenes) in SOURCES.items()
    for scene, settings in scenes.items()
} | {
    "CircleSquare": Entry(
        "A small square or circle on a large field that only hints at where it is: which is it?",
        "",
        "circle_square",
        {"canvas": 28, "sensor": "crop", "size": 5, "cover": 5 / 28, "looks": 16, "reach": 0.2}
        | {"each": True},
    ),
    "Catch": Entry(
        "A ball falls, and a paddle is to be where it lands: who looks also moves the paddle.",
        "",
        "catch",
        {"canvas": 24, "size": 6, "scales": 3, "looks": 24},
    ),
}


def problem_of(name: str, split: str = "train", **settings: Any) -> Problem:
    """The problem of that name on a split of its dataset, with some settings of its own.

    Raises ValueError for a name that there is not, TypeError for a setting, as Python does for an
    argument, and DataError where the dataset cannot be had.
    """
    entry = entry_of(name)
    given = entry.settings | settings
    for key, table in CHOICES.items():
        if key in given and given[key] not in table:
            raise ValueError(f"no {key} {given[key]!r}: there are {', '.join(table)}")
    kind, sensor = SCENES[entry.scene], SENSORS[given.pop("sensor", "retina")]
    cut = list(inspect.signature(sensor).parameters)
    known = {"sensor", *kind.options, *cut, *WORLD, *kind.asked}
    if unknown := set(settings) - known:
        raise unexpected(name, unknown, f"its settings are {', '.join(sorted(known))}")
    classes = classes_of(entry.dataset) if entry.dataset else ()
    images = split_of(entry.dataset, split) if entry.dataset else _nothing(split)
    eye = sensor(**{key: given[key] for key in cut if key in given})
    options = {key: given[key] for key in (*kind.options, *WORLD, *kind.asked) if key in given}
    world, make, answers = problem(entry.scene, eye, classes, images.images.shape[1:], **options)
    return Problem(world, make, images, answers)


def unexpected(who: str, names: Iterable[str], hint: str) -> TypeError:
    """What to raise for arguments that there are not, in Python's own words.

    Other libraries hand every environment arguments that few have, and try again without if they
    read these words.
    """
    return TypeError(f"{who} got an unexpected keyword argument {min(names)!r}: {hint}")


def entry_of(name: str) -> Entry:
    """The row of that name. Raises ValueError, with the nearest, if there is none."""
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, CATALOGUE, n=1)
        hint = f"perhaps {near[0]}" if near else f"there are {', '.join(CATALOGUE)}"
        raise ValueError(f"no environment is called {name!r}: {hint}")
    return CATALOGUE[name]


def _nothing(split: str) -> Split:
    """A split of images that no scene shows."""
    if split not in ("train", "validation", "test"):
        raise ValueError(f"no split {split!r}: choose train, validation or test")
    blank = torch.zeros(INVENTED, 1, 1, 1, dtype=torch.uint8)
    return Split(blank, torch.zeros(INVENTED, dtype=torch.int64))


def document(name: str) -> str:
    """What there is to know of an environment, under Gymnasium's headings."""
    entry = entry_of(name)
    given = {"sensor": "retina", "first": "random", "context": "none"} | entry.settings
    looks, scales = given["looks"], given.get("scales", 1)
    kind = SCENES[entry.scene]
    played = not kind.world.asks
    location = "(2,)), the next place (x, y); (-1, -1) is the corner at top left"
    if "reach" in given:
        location = f"(2,)), a step along x and y, in units of {given['reach']} of half the image"
    if played:
        location = "(3,)), the next place (x, y) and, at a third each: left, stay, right"
    answer = f"\n- `answer`: Discrete({len(kind.answered(TEN, given))})"
    facts = {
        "about": entry.about,
        "glimpse": f"a {given['sensor']} of {given['size']} x {given['size']} pixels"
        + f" in {scales} scales" * (scales > 1),
        "looks": looks,
        "most": 1 if given["sensor"] == "retina" else "1 + 2**-12",
        "location": location,
        "answer": "" if played else answer,
        "reward": REWARDS.get(entry.scene, ANSWERED).format(looks=looks),
        "logits": "" if played else LOGITS,
        "first": "a uniformly random place" if given["first"] == "random" else "the centre",
        "context": CONTEXT[entry.scene] if given["context"] == "cue" else "",
        "settings": "\n".join(f"- `{key}` = {value!r}" for key, value in given.items()),
        "make": f'gymnasium.make("hardattn/{name}-v0")',
        "versions": entry.versions,
    }
    return DOCUMENT.format(**facts)


ANSWERED = "1 for a right answer, 0 for a wrong one, at the last look."
REWARDS = {
    "localise": "The overlap (IoU) of the box that is answered and the true one, at the last look.",
    "sequence": "1 for each right symbol that no wrong one precedes, at the last of its looks.",
    "captions": "1 for each right word that no wrong one precedes, at the last of its looks.",
    "circle_square": "1 / {looks} for a right answer, 0 for a wrong one, at each look.",
    "catch": "1 at the last look if the ball was caught, else 0.",
}
LOGITS = """
With `answer="logits"` their cross-entropy in nats is charged, too, when the answer is asked for."""
CONTEXT = {
    "search": "\n- `context`: Box(0, 1, (10,)), the class that is to be found, one-hot",
    "matching": "\n- `context`: Box(0, 1, (140,)), the numbers of all words, over 16",
}
DOCUMENT = """{about}

## Description
A scene is never shown whole but looked at {looks} times, through {glimpse}.
After each look one acts, and so says where the next one falls.

    {make}

## Action Space
`Dict`:
- `location`: Box(-1, 1, {location}{answer}

What lies outside is clipped. The arguments `action`, `answer`, `stop` and `flat_actions` make it a
cell of a grid, a move, logits, an action that may stop, or one flat space.

## Observation Space
`Dict`, all float32:
- `glimpse`: Box(0, {most}), what the last look saw, the finest scale first
- `location`: Box(-1, 1), where that was
- `step`: Box(0, 1, (1,)), the share of the looks that were over before it{context}

## Rewards
{reward}{logits}
`move_cost` charges for the way from look to look; `shaping` pays for the likelihood of the answer.

## Starting State
The scene is a function of the seed and of the number of the episode. The first look falls on
{first}. Of many environments, reset with one seed s, the first has the seed s
and number i `hardattn.rng.mix(s, i)`: no other seed has one of these environments.

## Episode End
1. Termination: after {looks} steps, or at a stop. No look follows the last action.
2. Truncation: never. `spec.max_episode_steps` is the number of looks, and no wrapper counts them.

What was right is told in the last info: `label`, `box` and `index`.

## Arguments
Settings, and what they are if not set:
{settings}

And those of `GlimpseVectorEnv`: `split`, `action`, `answer`, `stop`, `flat_actions`,
`flat_observations`, `cells`, `move_cost`, `shaping`, `reveal`, `render_mode`; of many environments
also `num_envs`, `autoreset_mode`, `device` and `tensors`.

## Version History
- {versions}
"""
