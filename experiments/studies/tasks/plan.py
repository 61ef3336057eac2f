"""What every task is measured by, and which recipes are about it."""

import math
from dataclasses import dataclass

from ...recipe import Recipe
from ...recipes import RECIPES


@dataclass(frozen=True)
class Measure:
    """A figure of a run."""

    key: str
    head: str
    times: float = 100.0
    decimals: int = 1
    more: bool = True
    """Whether more of it is better."""
    most: float = 100.0
    """What it cannot pass, as 0."""


@dataclass(frozen=True)
class Asked:
    """One task, the scenes that ask it, and its figures, of which the first decides."""

    title: str
    about: str
    scene: str
    measures: tuple[Measure, ...]
    label: str | None = None
    """Of the scene, where one kind of scene asks several things."""

    def holds(self, recipe: Recipe) -> bool:
        """Whether a recipe is about it."""
        scene, pretext = recipe.problem.scene, learns_first(recipe)
        if self is PRETEXT or pretext:
            return self is PRETEXT and pretext
        return scene.name == self.scene and scene.get("label") == self.label

    def recipes(self) -> list[str]:
        """Their names."""
        return [name for name, recipe in RECIPES.items() if self.holds(recipe)]


ERROR = Measure("error", "error %", more=False)
MASKS = (
    Measure("mean_iou", "mean IoU %"),
    Measure("boundary_f", "boundary F %"),
    Measure("error", "places wrong %", more=False),
)
PRETEXT = Asked(
    "Without labels first",
    "The error of a linear probe of features that are frozen, which were learned without labels.",
    "plain",
    (ERROR,),
)
TASKS = (
    Asked("Masks", "Which place belongs to which digit?", "masks", MASKS),
    Asked("Salience", "Which place belongs to any digit?", "masks", MASKS, "salient"),
    Asked("Pasted squares", "Which place is from another scene?", "pasted", MASKS),
    Asked(
        "Key points",
        "Where are the corners of a digit's ink, and its centre?",
        "keypoints",
        (Measure("error", "not exact %", more=False), Measure("pck", "PCK %")),
    ),
    Asked(
        "Queries",
        "Where in the scene is what the example shows, of classes that training never showed?",
        "query",
        (ERROR, Measure("answer_iou", "IoU of the answer", 1.0, 2, most=1.0)),
    ),
    Asked(
        "Few-shot episodes",
        "Which of three unseen classes, of one example each, does the image belong to?",
        "few_shot",
        (ERROR,),
    ),
    Asked(
        "Captions",
        "Which sentence is true of the scene?",
        "captions",
        (
            Measure("cider", "CIDEr of 10", 1.0, 2, most=10.0),
            Measure("bleu_4", "BLEU-4 %"),
            Measure("token_accuracy", "right words %"),
            Measure("error", "not exact %", more=False),
            Measure("grounding", "grounding %"),
        ),
    ),
    Asked(
        "Matching",
        "Which of twenty sentences is the scene's?",
        "matching",
        (
            Measure("recall_1", "recall@1 %"),
            Measure("recall_5", "recall@5 %"),
            Measure("recall_10", "recall@10 %"),
        ),
    ),
    Asked(
        "Clips",
        "Which of two digits came first?",
        "clips",
        (ERROR, Measure("frames_looked", "frames looked at", 1.0, 1, False, math.inf)),
    ),
    PRETEXT,
)


def learns_first(recipe: Recipe) -> bool:
    """Whether its training begins without labels, or is the control of one that does."""
    return getattr(recipe.agent, "name", "") in ("masked_autoencoder", "self_distilled")
