"""Gradient estimators: `estimator(agent, world, scenes, generator) -> Loss`.

The gradient of `Loss.total` estimates that of E[loss + cost - reward], plus a critic's own fit
where there is a critic. One function each, whole on one screen; a family a file. An estimator that
remembers or learns something itself is a module, made with `Estimator(agent, world, ...)` and
called as the functions are.
"""

from collections.abc import Callable
from typing import Any

from hardattn.estimators.actor_critic import a2c, ppo
from hardattn.estimators.bernoulli import arm, disarm
from hardattn.estimators.clustering import gat_cluster
from hardattn.estimators.critic import SelfCriticalAttention
from hardattn.estimators.enumerated import enumerated, marginal_likelihood
from hardattn.estimators.evolution import SNES
from hardattn.estimators.multi_sample import (
    leave_one_out,
    reweighted_wake_sleep,
    unordered_set,
    vimco,
)
from hardattn.estimators.relaxed import (
    RELAX,
    gumbel_softmax,
    pathwise,
    rebar,
    soft_attention,
    straight_through,
)
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
from hardattn.estimators.three_phases import ThreePhases
from hardattn.estimators.variational import (
    VariationalPathwise,
    variational_enumerated,
    variational_gumbel,
    variational_sampled,
    wake_sleep,
)

ESTIMATORS: dict[str, Callable[..., Any]] = {
    "reinforce": reinforce,
    "moving_average": MovingAverage,
    "learned_baseline": learned_baseline,
    "nvil": NVIL,
    "self_critical": self_critical,
    "soft_baseline": soft_baseline,
    "entropy_bonus": entropy_bonus,
    "per_look_gain": per_look_gain,
    "leave_one_out": leave_one_out,
    "vimco": vimco,
    "reweighted_wake_sleep": reweighted_wake_sleep,
    "unordered_set": unordered_set,
    "pathwise": pathwise,
    "soft_attention": soft_attention,
    "gumbel_softmax": gumbel_softmax,
    "straight_through": straight_through,
    "rebar": rebar,
    "relax": RELAX,
    "arm": arm,
    "disarm": disarm,
    "enumerated": enumerated,
    "marginal_likelihood": marginal_likelihood,
    "a2c": a2c,
    "ppo": ppo,
    "snes": SNES,
    "self_critical_attention": SelfCriticalAttention,
    "three_phases": ThreePhases,
    "variational_enumerated": variational_enumerated,
    "variational_sampled": variational_sampled,
    "variational_pathwise": VariationalPathwise,
    "variational_gumbel": variational_gumbel,
    "wake_sleep": wake_sleep,
    "gat_cluster": gat_cluster,
}

# Why an estimate is not, in the mean, the gradient of E[loss + cost - reward].
BIASED: dict[str, str] = {
    "nvil": "scaled by the running standard deviation",
    "entropy_bonus": "of the loss with an entropy bonus",
    "per_look_gain": "of the belief in the truth, not of the loss",
    "vimco": "of the K-sample bound",
    "reweighted_wake_sleep": "of the likelihood, and self-normalised",
    "soft_attention": "of the mean look",
    "gumbel_softmax": "of the relaxed look",
    "straight_through": "a relaxed gradient of the true look",
    "marginal_likelihood": "of the likelihood, not of the mean loss",
    "a2c": "by the critic",
    "ppo": "by the critic, and clipped",
    "snes": "of the smoothed loss, and by ranks",
    "self_critical_attention": "by a critic's guess of what attention is worth",
    "variational_enumerated": "of the evidence bound",
    "variational_sampled": "of the evidence bound",
    "variational_pathwise": "of the evidence bound",
    "variational_gumbel": "of the evidence bound at the relaxed look",
    "wake_sleep": "of the likelihood, and self-normalised",
    "gat_cluster": "of tasks that need no label, not of the loss",
}
