"""Problems, each with all that is to be compared on it, and how it is trained.

A family's members are RAM with each baseline, its controls (the same observer under a script,
trained for it) and classifiers that see the whole image.
"""

from dataclasses import dataclass, replace
from typing import Any

from ..agents import Ram
from ..recipe import UNBOXED, Learning, Problem, Recipe
from ..viewers import FullView


@dataclass(frozen=True)
class Family:
    """One problem, and how its agents are trained."""

    problem: Problem
    scene: str
    ram: Ram
    learning: Learning
    whole: dict[str, Learning]  # by net

    def recipe(self, title: str, about: str, agent: Any, **changes: Any) -> Recipe:
        """One member; `changes` are fields of the problem or of the learning."""
        problem, learning = self.problem, self.learning
        if isinstance(agent, FullView):
            learning = self.whole[agent.net]
            problem = replace(
                problem, sensor="whole", size=None, scales=None, looks=1, first="centre"
            )
        for key, value in changes.items():
            if hasattr(problem, key):
                problem = replace(problem, **{key: value})
            else:
                learning = replace(learning, **{key: value})
        return Recipe(
            title=title,
            about=f"{about} {self.scene}",
            problem=problem,
            agent=agent,
            learning=learning,
        )

    def members(self, suffix: str) -> dict[str, Recipe]:
        """RAM with each baseline, the controls, and the classifiers, by name."""
        observer = "RAM's observer, trained for looks that"
        given: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
            "ram": (
                "RAM, learned baseline",
                "RAM (Mnih et al. 2014) by REINFORCE with a learned baseline.",
                self.ram,
                {},
            ),
            "ram-reinforce": (
                "RAM, no baseline",
                "RAM by REINFORCE with no baseline.",
                self.ram,
                {"estimator": "reinforce"},
            ),
            "ram-self-critical": (
                "RAM, self-critical",
                "RAM by REINFORCE, the greedy episode as the baseline.",
                self.ram,
                {"estimator": "self_critical"},
            ),
            "ram-leave-one-out": (
                "RAM, leave-one-out",
                "RAM by REINFORCE, four episodes a scene, each against the other three.",
                self.ram,
                {
                    "estimator": "leave_one_out",
                    "samples": 4,
                    "batch": self.learning.batch // 4,
                    "images": self.learning.images // 4,
                    "validate_every": self.learning.validate_every // 4,
                },
            ),
            "random": (
                "random looks",
                f"{observer} fall anywhere.",
                replace(self.ram, script="random"),
                {},
            ),
            "centre": (
                "centre look",
                f"{observer} all fall on the centre.",
                replace(self.ram, script="centre"),
                {"first": "centre"},
            ),
            "raster": (
                "raster looks",
                f"{observer} go over the image line by line.",
                replace(self.ram, script="raster"),
                {},
            ),
            "oracle": (
                "oracle look",
                f"{observer} all fall on the target.",
                replace(self.ram, script="oracle"),
                {"first": "target", "context": "target"},
            ),
            "mlp": (
                "MLP, whole image",
                "Two layers of 256 units that see everything.",
                FullView(net="mlp"),
                {},
            ),
            "conv-2014": (
                "conv net of 2014, whole image",
                "The weak convolutional baseline of the RAM paper.",
                FullView(net="conv_2014"),
                {},
            ),
            "cnn": (
                "CNN, whole image",
                "A small residual network that sees everything.",
                FullView(net="cnn"),
                {},
            ),
        }
        return {
            f"{name}-{suffix}": self.recipe(title, about, agent, **changes)
            for name, (title, about, agent, changes) in given.items()
            if "target" not in changes.values() or self.problem.scene not in UNBOXED
        }


DIGITS = Family(
    problem=Problem(
        dataset="digits",
        scene="translated",
        canvas=48,
        zoom=2,
        sensor="retina",
        size=6,
        scales=3,
        looks=6,
        test_draws=8,
    ),
    scene="Digits doubled to 16x16, anywhere on a blank 48x48 canvas; six looks of 6x6, 3 scales.",
    ram=Ram(core="gru", std=0.2),
    learning=Learning(images=320_000, batch=256, lr=4e-3, validate_every=20_000),
    whole={
        "mlp": Learning(images=320_000, batch=128, lr=1e-3, validate_every=20_000),
        "conv_2014": Learning(images=320_000, batch=128, lr=1e-3, validate_every=20_000),
        "cnn": Learning(images=18_000, batch=64, lr=2e-3, validate_every=2_000),
    },
)

CLUTTERED_DIGITS = replace(
    DIGITS,
    problem=replace(DIGITS.problem, scene="cluttered", pieces=4, piece=8, test_draws=4),
    scene=(
        "Digits doubled to 16x16 on a 48x48 canvas with four pieces of clutter; six looks of 6x6, "
        "3 scales."
    ),
)

MNIST = Family(
    problem=Problem(dataset="mnist", sensor="retina", size=8, scales=1, looks=6),
    scene="MNIST as it is, 28x28; six looks of 8x8, one scale.",
    ram=Ram(std=0.1),
    learning=Learning(images=18_000_000, batch=512, lr=2e-3, validate_every=500_000),
    whole={
        "mlp": Learning(images=3_000_000, batch=128, lr=1e-3, validate_every=100_000),
        "conv_2014": Learning(images=3_000_000, batch=128, lr=1e-3, validate_every=100_000),
        "cnn": Learning(images=600_000, batch=128, lr=2e-3, validate_every=50_000),
    },
)

CLUTTERED_60 = replace(
    MNIST,
    problem=Problem(
        dataset="mnist",
        scene="cluttered",
        canvas=60,
        pieces=4,
        piece=8,
        sensor="retina",
        size=12,
        scales=3,
        looks=8,
    ),
    scene="MNIST on a 60x60 canvas with four pieces of clutter; eight looks of 12x12, 3 scales.",
)

PAIR = Family(
    problem=Problem(
        dataset="mnist",
        scene="pair",
        canvas=100,
        sensor="retina",
        size=12,
        scales=4,
        looks=5,
    ),
    scene="Two digits of MNIST anywhere on 100x100, 55 answers; five looks of 12x12, 4 scales.",
    ram=Ram(core="lstm", std=0.2),
    learning=Learning(images=600_000, batch=128, lr=1e-3, validate_every=50_000),
    whole={},
)
