"""A problem, with all that is to be compared on it, and how it is trained.

A family's members are RAM with each baseline, its controls (the same observer under a script,
trained for it) and classifiers that see the whole image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hardattn.training.options import TrainOptions

from ..recipe import UNBOXED, ProblemOptions, Recipe, Spec


@dataclass(frozen=True, kw_only=True)
class Member:
    """One recipe of a family: what is its own."""

    title: str
    about: str
    agent: Spec
    changes: Mapping[str, Any] = field(default_factory=dict)
    """See `Family.recipe`."""


@dataclass(frozen=True)
class Family:
    """One problem, and how its agents are trained."""

    problem: ProblemOptions
    scene: str
    ram: Spec
    training: TrainOptions
    whole: Mapping[str, TrainOptions] = field(default_factory=dict)  # by net

    def recipe(self, title: str, about: str, agent: Spec, **changes: Any) -> Recipe:
        """One member; `changes` are fields of the problem or of the training, or the estimator."""
        problem, training = self.problem, self.training
        if agent.name == "full_view":
            training = self.whole[agent.options["net"]]
            problem = replace(problem, sensor=Spec("whole"), looks=1, first="centre")
        estimator = changes.pop("estimator", Spec("learned_baseline"))
        of_problem = {key: value for key, value in changes.items() if hasattr(problem, key)}
        others = {key: value for key, value in changes.items() if key not in of_problem}
        return Recipe(
            title=title,
            about=f"{about} {self.scene}",
            problem=replace(problem, **of_problem),
            agent=agent,
            estimator=estimator,
            training=replace(training, **others),
        )

    def members(self, suffix: str) -> dict[str, Recipe]:
        """RAM with each baseline, the controls, and the classifiers, by name."""
        return {
            f"{name}-{suffix}": self.recipe(one.title, one.about, one.agent, **one.changes)
            for name, one in self._given().items()
            if "target" not in one.changes.values() or self.problem.scene.name not in UNBOXED
        }

    def _given(self) -> dict[str, Member]:
        return self._baselines() | self._controls() | self._classifiers()

    def _baselines(self) -> dict[str, Member]:
        """RAM by one estimator and another."""
        return {
            "ram": Member(
                title="RAM, learned baseline",
                about="RAM (Mnih et al. 2014) by REINFORCE with a learned baseline.",
                agent=self.ram,
            ),
            "ram-reinforce": Member(
                title="RAM, no baseline",
                about="RAM by REINFORCE with no baseline.",
                agent=self.ram,
                changes={"estimator": Spec("reinforce")},
            ),
            "ram-self-critical": Member(
                title="RAM, self-critical",
                about="RAM by REINFORCE, the greedy episode as the baseline.",
                agent=self.ram,
                changes={"estimator": Spec("self_critical")},
            ),
            "ram-leave-one-out": Member(
                title="RAM, leave-one-out",
                about="RAM by REINFORCE, four episodes a scene, each against the other three.",
                agent=self.ram,
                changes={
                    "estimator": Spec("leave_one_out", samples=4),
                    "batch_size": self.training.batch_size // 4,
                    "images": self.training.images // 4,
                    "validate_every": self.training.validate_every // 4,
                },
            ),
        }

    def _controls(self) -> dict[str, Member]:
        """RAM's observer under scripts."""
        observer = "RAM's observer, trained for looks that"
        return {
            "random": Member(
                title="random looks",
                about=f"{observer} fall anywhere.",
                agent=self.ram.but(script="random"),
            ),
            "centre": Member(
                title="centre look",
                about=f"{observer} all fall on the centre.",
                agent=self.ram.but(script="centre"),
                changes={"first": "centre"},
            ),
            "raster": Member(
                title="raster looks",
                about=f"{observer} go over the image line by line.",
                agent=self.ram.but(script="raster"),
            ),
            "oracle": Member(
                title="oracle look",
                about=f"{observer} all fall on the target.",
                agent=self.ram.but(script="oracle"),
                changes={"first": "target", "context": "target"},
            ),
        }

    def _classifiers(self) -> dict[str, Member]:
        """Those that see the whole image."""
        return {
            "mlp": Member(
                title="MLP, whole image",
                about="Two layers of 256 units that see everything.",
                agent=Spec("full_view", net="mlp"),
            ),
            "conv-2014": Member(
                title="conv net of 2014, whole image",
                about="The weak convolutional baseline of the RAM paper.",
                agent=Spec("full_view", net="conv_2014"),
            ),
            "cnn": Member(
                title="CNN, whole image",
                about="A small residual network that sees everything.",
                agent=Spec("full_view", net="cnn"),
            ),
        }
