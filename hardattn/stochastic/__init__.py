"""Attention weights as random variables, one paper a file: with maps, divergences and draws.

Blocks and heads as in `hardattn.blocks`: a block is (B, C, H, W) -> the same shape, a head
(B, C, H, W) -> (B, K) logits. They draw in training; in evaluation they go by their mean, unless
the rollout samples (`hardattn.noise`). What is drawn is the map that they declare; a divergence
from the prior is charged (`hardattn.maps.charge`).
"""

from collections.abc import Callable

from torch import nn

from hardattn.stochastic.bayesian import BayesianLogNormal, BayesianWeibull
from hardattn.stochastic.gaussian_attention import GaussianAttention
from hardattn.stochastic.harmonious_regions import HarmoniousRegions
from hardattn.stochastic.uncertainty_aware import UncertaintyAware

BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "bayesian_log_normal": BayesianLogNormal,
    "bayesian_weibull": BayesianWeibull,
}

HEADS: dict[str, Callable[..., nn.Module]] = {
    "gaussian": GaussianAttention,
    "harmonious_regions": HarmoniousRegions,
    "uncertainty_aware": UncertaintyAware,
}

# Why a layer of this branch draws nothing.
DETERMINISTIC: dict[str, str] = {
    "gaussian": "its Gaussian is a shape over places, not a distribution that is drawn from",
    "harmonious_regions": "its hard regions are crops by a spatial transformer",
}
