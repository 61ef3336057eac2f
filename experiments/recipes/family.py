"""A problem, with all that is to be compared on it, and how it is trained.

A family's members are RAM as well as we can, RAM as it was published, RAM by one estimator and
another, controls (the observer of the first under a script, trained for it), and classifiers that
see the whole image.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hardattn.training.options import TrainOptions

from ..kinds import Settings
from ..recipe import OWN, UNBOXED, ProblemOptions, Recipe, Spec

# What learns best here has these, and the paper of RAM none of them: `Family.ram`, `Family.gain`.
GAIN = Spec("per_look_gain", discount=0.7)
DEPARTS = (
    "Departs from the paper: a look is paid for what it adds to the belief in the truth, and "
    "teaches the core as well; an answer is learned after every look; the core is a GRU or an "
    "LSTM; a glimpse goes through a convolution first; draws narrow while it learns; the mean of "
    "the policy is bounded; Adam."
)
# What there is to know of RAM as it was published, and what had to be chosen.
PUBLISHED = (
    "RAM as it was published (Mnih et al. 2014): a plain rectified core, the answer read after the "
    "last look alone, a reward of 1 for a right one, from which alone the looks learn, and with "
    "them no more than the locator; SGD with momentum 0.9, its rate falling linearly to 0. Departs "
    "from the paper: the mean of the policy is bounded by tanh; spread, rate, batch, first weights "
    "(orthogonal in the core), the largest norm of a gradient and the weight of the policy beside "
    "the answer, which the paper searched for or did not say, are ours."
)
REWARDED = Spec("learned_baseline", reward_only=True, policy_coef=0.01)
DESCENT: Settings = {
    "optimizer": "sgd",
    "schedule": "linear",
    "batch_size": 64,
    "lr": 0.02,
    "weight_decay": 0.0,
    "max_grad_norm": 4.0,
}
APART = (
    "Departs from the paper: an answer is learned after every look, and looks learn from its "
    "cross-entropy, not from a reward; the mean of the policy is bounded; Adam."
)


def weighs(estimator: Spec | None) -> bool:
    """Whether answers do not weigh alike by it, so that those of a control are not to, either."""
    return estimator is not None and bool(estimator.options.get("late"))


@dataclass(frozen=True, kw_only=True)
class Member:
    """One recipe of a family: what is its own."""

    title: str
    about: str
    agent: Spec
    changes: Settings = field(default_factory=dict)
    """See `Family.recipe`."""


@dataclass(frozen=True)
class Family:
    """One problem, and how its agents are trained."""

    problem: ProblemOptions
    scene: str
    ram: Spec
    """RAM as well as we can; its observer is that of the controls."""
    training: TrainOptions
    """Of that RAM and of the controls."""
    gain: Spec = GAIN
    """By which that RAM learns."""
    better: Settings = field(default_factory=dict)
    """What else that RAM and the controls have, and RAM as it was published has not: changes of the
    problem or of the training."""
    plain: Spec | None = None
    """RAM whose policy trains the locator alone, of which the estimators are compared, if any."""
    apart: TrainOptions | None = None
    """Of the latter; by default as of the former."""
    published: Settings = field(default_factory=dict)
    """Of RAM as it was published: its spread (std), and changes of its training."""
    whole: Mapping[str, TrainOptions] = field(default_factory=dict)  # by net

    @property
    def what(self) -> str:
        """What is looked at, without how."""
        return self.scene.partition(";")[0]

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
            if "target" not in one.changes.values() or self._boxed()
        }

    def _boxed(self) -> bool:
        """Whether somebody may know where targets are."""
        own = self.problem.dataset.startswith(OWN)
        return own or self.problem.scene.name not in UNBOXED

    def _given(self) -> dict[str, Member]:
        return self._rams() | self._baselines() | self._controls() | self._classifiers()

    def _rams(self) -> dict[str, Member]:
        """RAM as well as we can, and as it was published."""
        training = dict(self.published)
        std = training.pop("std", 0.17)
        more = [
            sentence
            for sentence, holds in (
                (" Later answers weigh more.", weighs(self.gain)),
                (" Pairs are read off two heads.", self.ram.options.get("pairs_of")),
                (" The first look is at the centre.", self.better.get("first") == "centre"),
                (" Scenes are changed in training (--augment).", self.better.get("augment")),
            )
            if holds
        ]
        return {
            "ram": Member(
                title="RAM",
                about=f"RAM (Mnih et al. 2014) as well as we can. {DEPARTS}{''.join(more)}",
                agent=self.ram,
                changes={**self.better, "estimator": self.gain},
            ),
            "ram-published": Member(
                title="RAM, as published",
                about=PUBLISHED,
                agent=Spec("ram", orthogonal=True, std=std),
                changes={
                    "estimator": REWARDED,
                    "each": False,
                    "bonus": 1.0,
                    **DESCENT,
                    **training,
                },
            ),
        }

    def _baselines(self) -> dict[str, Member]:
        """RAM by one estimator and another, the core apart; and the random control of these."""
        if self.plain is None:
            return {}
        apart = self.apart or self.training
        given = {each.name: getattr(apart, each.name) for each in dataclasses.fields(apart)}
        fewer = {
            name: given[name] // 4 for name in ("batch_size", "images", "validate_every")
        }  # scenes, of four episodes each: as many episodes as the others
        return {
            "ram-learned-baseline": Member(
                title="RAM, learned baseline",
                about=f"RAM by REINFORCE with a learned baseline. {APART}",
                agent=self.plain,
                changes=given,
            ),
            "ram-reinforce": Member(
                title="RAM, no baseline",
                about=f"RAM by REINFORCE with no baseline. {APART}",
                agent=self.plain,
                changes={"estimator": Spec("reinforce"), **given},
            ),
            "ram-self-critical": Member(
                title="RAM, self-critical",
                about=f"RAM by REINFORCE, the greedy episode as the baseline. {APART}",
                agent=self.plain,
                changes={"estimator": Spec("self_critical"), **given},
            ),
            "ram-leave-one-out": Member(
                title="RAM, leave-one-out",
                about=(
                    "RAM by REINFORCE, four episodes a scene, each against the other three; as "
                    "many episodes as by other estimators, so a quarter of the images. "
                    f"{APART}"
                ),
                agent=self.plain,
                changes={"estimator": Spec("leave_one_out", samples=4), **given, **fewer},
            ),
            "random-ram-learned-baseline": Member(
                title="random looks, RAM, learned baseline",
                about="Its observer, trained for looks that fall anywhere.",
                agent=self.plain.but(script="random"),
                changes=given,
            ),
        }

    def _controls(self) -> dict[str, Member]:
        """RAM's observer under scripts. Where its answers do not weigh alike, no more do theirs."""
        observer = "RAM's observer, trained for looks that"
        taught = {**self.better, **({"estimator": self.gain} if weighs(self.gain) else {})}
        return {
            "random": Member(
                title="random looks",
                about=f"{observer} fall anywhere.",
                agent=self.ram.but(script="random"),
                changes=taught,
            ),
            "centre": Member(
                title="centre look",
                about=f"{observer} all fall on the centre.",
                agent=self.ram.but(script="centre"),
                changes={**taught, "first": "centre"},
            ),
            "raster": Member(
                title="raster looks",
                about=f"{observer} go over the image line by line.",
                agent=self.ram.but(script="raster"),
                changes=taught,
            ),
            "oracle": Member(
                title="oracle look",
                about=f"{observer} all fall on the target.",
                agent=self.ram.but(script="oracle"),
                changes={**taught, "first": "target", "context": "target"},
            ),
        }

    def _classifiers(self) -> dict[str, Member]:
        """Those that see the whole image, of those that the family trains."""
        found = {
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
            "small-cnn": Member(
                title="small CNN, whole image",
                about="A residual network of a tenth of the operations, that sees everything.",
                agent=Spec("full_view", net="small_cnn"),
            ),
        }
        return {name: one for name, one in found.items() if one.agent.options["net"] in self.whole}
