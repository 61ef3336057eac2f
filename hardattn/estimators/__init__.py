"""Gradient estimators: `estimator(agent, world, scenes, generator) -> Loss`.

The gradient of `Loss.total` estimates that of E[loss + cost - reward], plus a critic's own fit
where there is a critic. One function each, whole on one screen; a family a file. An estimator that
remembers or learns something itself is a module, made with `Estimator(agent, world, ...)` and
called as the functions are. `ESTIMATORS[name].build(agent, world, **options)` makes either.

A row of ESTIMATORS says what its estimator takes and what it is the gradient of (`Row`); what it
does not take is refused by `refuse`, before training begins.
"""

from typing import Any

from hardattn.distributions import (
    Categorical,
    Delta,
    Dirichlet,
    Gaussian,
    IndependentBernoulli,
    Product,
    Stop,
)
from hardattn.distributions.selection import Subset
from hardattn.distributions.squashed import Squashed
from hardattn.estimators.actor_critic import a2c, ppo
from hardattn.estimators.base_first import BaseFirst
from hardattn.estimators.bernoulli import arm, disarm
from hardattn.estimators.clustering import gat_cluster
from hardattn.estimators.comparison import cross_attention, margin_ranking
from hardattn.estimators.critic import SelfCriticalAttention
from hardattn.estimators.enumerated import enumerated, marginal_likelihood
from hardattn.estimators.evolution import SNES
from hardattn.estimators.frozen_base import FrozenBase
from hardattn.estimators.hardest_negative import hardest_negative
from hardattn.estimators.instructed import instructed
from hardattn.estimators.multi_sample import (
    leave_one_out,
    reweighted_wake_sleep,
    unordered_set,
    vimco,
)
from hardattn.estimators.pretraining import MaskedPixels, SelfDistillation
from hardattn.estimators.relaxed import (
    RELAX,
    gumbel_softmax,
    pathwise,
    rebar,
    soft_attention,
    straight_through,
)
from hardattn.estimators.row import Row
from hardattn.estimators.score_function import (
    NVIL,
    Loss as Loss,
    MovingAverage,
    entropy_bonus,
    learned_baseline,
    per_look_gain,
    reinforce,
    self_critical,
    soft_baseline,
)
from hardattn.estimators.selection import PerturbedTopK, attention_sampling
from hardattn.estimators.soft_actor_critic import SoftActorCritic
from hardattn.estimators.teacher import FullViewTeacher
from hardattn.estimators.three_phases import ThreePhases
from hardattn.estimators.variational import (
    VariationalPathwise,
    variational_enumerated,
    variational_gumbel,
    variational_sampled,
    wake_sleep,
)
from hardattn.scenes import Scenes
from hardattn.world import World

# Distributions over places alone; those of finitely many values; those of a known mean.
WHERE = (Gaussian, Squashed, Categorical, Dirichlet, IndependentBernoulli, Delta)
FEW = (Categorical, IndependentBernoulli, Delta, Stop)
MEANS = (*WHERE, Product, Stop)
CLOSED = (Categorical, Gaussian, Dirichlet, Stop)  # of which a guide's divergence has a closed form

ESTIMATORS: dict[str, Row] = {
    "reinforce": Row(reinforce),
    "moving_average": Row(MovingAverage),
    "learned_baseline": Row(learned_baseline),
    "nvil": Row(NVIL, biased="scaled by the running standard deviation", whole=True),
    "self_critical": Row(self_critical, episodes=2),
    "soft_baseline": Row(soft_baseline, draws=MEANS, episodes=2),
    "entropy_bonus": Row(entropy_bonus, biased="of the loss with an entropy bonus"),
    "per_look_gain": Row(per_look_gain, biased="of the belief in the truth, not of the loss"),
    "leave_one_out": Row(leave_one_out, episodes=4),
    "vimco": Row(vimco, biased="of the K-sample bound", rewards=False, episodes=4),
    "reweighted_wake_sleep": Row(
        reweighted_wake_sleep,
        biased="of the likelihood, and self-normalised",
        rewards=False,
        episodes=5,
    ),
    "unordered_set": Row(unordered_set, draws=(Categorical,), one_draw=True, episodes=3),
    "pathwise": Row(pathwise, pathwise=True, smooth=True, rewards=False),
    "soft_attention": Row(
        soft_attention, biased="of the mean look", draws=MEANS, smooth=True, rewards=False
    ),
    "gumbel_softmax": Row(
        gumbel_softmax,
        biased="of the relaxed look",
        draws=(Categorical,),
        smooth=True,
        rewards=False,
    ),
    "straight_through": Row(
        straight_through,
        biased="a relaxed gradient of the true look",
        draws=(Categorical,),
        smooth=True,
        rewards=False,
    ),
    "rebar": Row(rebar, draws=(Categorical,), one_draw=True, rewards=False, episodes=3),
    "relax": Row(RELAX, draws=(Categorical,), one_draw=True, rewards=False, episodes=3),
    "arm": Row(arm, draws=(IndependentBernoulli,), one_draw=True, episodes=2),
    "disarm": Row(disarm, draws=(IndependentBernoulli,), one_draw=True, episodes=2),
    "enumerated": Row(enumerated, draws=FEW, episodes=None),
    "marginal_likelihood": Row(
        marginal_likelihood,
        biased="of the likelihood, not of the mean loss",
        draws=FEW,
        rewards=False,
        episodes=None,
    ),
    "a2c": Row(a2c, biased="by the critic"),
    "ppo": Row(ppo, biased="by the critic, and clipped"),
    "full_view_teacher": Row(
        FullViewTeacher, biased="by the critic, and of agreement with a teacher"
    ),
    "soft_actor_critic": Row(
        SoftActorCritic,
        biased="by its critics, and of gains in belief, not of the loss",
        draws=(Squashed, Gaussian),
        needs="summary",
    ),
    "snes": Row(SNES, biased="of the smoothed loss, and by ranks", episodes=16, whole=True),
    "frozen_base": Row(
        FrozenBase,
        biased="of the smoothed loss of a policy beside a frozen base, and by ranks",
        episodes=16,
        whole=True,
        needs="policy",
    ),
    "base_first": Row(BaseFirst, biased="of the base's loss, while that learns", needs="settle"),
    "self_critical_attention": Row(
        SelfCriticalAttention,
        biased="by a critic's guess of what attention is worth",
        draws=(Categorical,),
        one_draw=True,
        rewards=False,
        needs="features",
    ),
    "three_phases": Row(ThreePhases, draws=(IndependentBernoulli, Categorical), episodes=4),
    "perturbed_top_k": Row(
        PerturbedTopK,
        biased="of the mean choice under noise",
        draws=(Subset,),
        smooth=True,
        rewards=False,
    ),
    "attention_sampling": Row(
        attention_sampling,
        biased="of the loss of mean features",
        draws=(Subset,),
        rewards=False,
        needs="shares",
    ),
    "variational_enumerated": Row(
        variational_enumerated,
        biased="of the evidence bound",
        draws=(Categorical, Stop),
        episodes=None,
        needs="guide",
    ),
    "variational_sampled": Row(
        variational_sampled,
        biased="of the evidence bound",
        draws=CLOSED,
        episodes=2,
        needs="guide",
    ),
    "variational_pathwise": Row(
        VariationalPathwise,
        biased="of the evidence bound",
        draws=(Gaussian, Dirichlet),
        pathwise=True,
        smooth=True,
        rewards=False,
        needs="guide",
    ),
    "variational_gumbel": Row(
        variational_gumbel,
        biased="of the evidence bound at the relaxed look",
        draws=(Categorical,),
        smooth=True,
        rewards=False,
        needs="guide",
    ),
    "wake_sleep": Row(
        wake_sleep,
        biased="of the likelihood, and self-normalised",
        draws=WHERE,
        rewards=False,
        episodes=5,
        needs="guide",
    ),
    "instructed": Row(
        instructed,
        biased="of what is said on the way, too",
        rewards=False,
        needs="instructed",
    ),
    "hardest_negative": Row(
        hardest_negative, biased="of a margin between ranks, not of the loss", rewards=False
    ),
    "gat_cluster": Row(
        gat_cluster,
        biased="of tasks that need no label, not of the loss",
        episodes=2,
        whole=True,
        needs="unattended",
    ),
    "margin_ranking": Row(margin_ranking, biased="of the loss and a ranking of the places"),
    "cross_attention": Row(
        cross_attention,
        biased="of classifications place by place, not of the answer's loss",
        rewards=False,
        needs="named",
    ),
    "masked_pixels": Row(
        MaskedPixels,
        biased="of what needs no label, then of the loss of a probe",
        whole=True,
        needs="restore",
    ),
    "self_distillation": Row(
        SelfDistillation,
        biased="of what needs no label, then of the loss of a probe",
        whole=True,
        needs="project",
    ),
}


def refuse(
    name: str,
    agent: Any,
    world: World,
    scenes: Scenes | None = None,
    curriculum: float = 0.0,
    led: float = 0.0,
    processes: int = 1,
) -> None:
    """Raise ValueError, one line, if the estimator of that name cannot train this agent here.

    Of an estimator that is not in the table nothing is known, and nothing is refused.

    Args:
        name: A row of ESTIMATORS.
        scenes: Any scenes of the world; with them, what the agent draws from is looked at as well.
        curriculum: Whether, and for which share of training, there are fewer looks at first.
        led: Whether, and for which share of training, looks are led at first.
        processes: By how many each batch is shared.
    """
    row = ESTIMATORS.get(name)
    given = curriculum, led, processes
    reason = row.refusal(agent, world, scenes, *given) if row is not None else ""
    if reason:
        raise ValueError(f"estimator {name!r} {reason}")
