"""The recipes: `hardattn train NAME`. Each says what to expect, and was measured.

Those of a whole family come from its problem; the others are written out here.
"""

from dataclasses import replace
from typing import Any

from ..agents import (
    Dram,
    DrawReader,
    DtRam,
    Edram,
    GlanceFocus,
    GuidedRam,
    KalmanRam,
    Mram,
    SpreadRam,
    TemporalRam,
    ZoomRam,
)
from ..recipe import Learning, Problem, Recipe
from ..viewers import (
    GatCluster,
    Reinforced,
    Scal,
    Sequential,
    ShowAttendTell,
    Soft,
    Variational,
    VariationalDirichlet,
)
from .circle_square import ACTIVE
from .expected import expecting
from .family import CLUTTERED_60, CLUTTERED_DIGITS, DIGITS, MNIST, PAIR
from .sb3 import SB3


def _on_digits(title: str, about: str, agent: Any, **changes: Any) -> Recipe:
    return DIGITS.recipe(title, about, agent, **changes)


# Agents that attend over a 6x6 grid of features of the whole image.
CELLS: dict[str, Any] = {
    "sensor": "cells",
    "size": None,
    "scales": None,
    "rows": 6,
    "columns": 6,
    "context": "whole",
    "each": False,
    "batch": 128,
    "lr": 5e-3,
    "warmup": 50,
    "clip": 5.0,
    "validate_every": 12_800,
}
SOFT: dict[str, Any] = {"estimator": "soft_attention", "draw": "soft"}
ONE = "One step of attention over features (Deng et al. 2018)"

OTHERS: dict[str, Recipe] = {
    "dram-digits": _on_digits(
        "DRAM",
        "DRAM (Ba et al. 2015): two layers, and a context net that the classifier cannot read.",
        Dram(std=0.2, balance=0.03),
        context="coarse",
        lr=2e-3,
        clip=1.0,
    ),
    "mram-digits": _on_digits(
        "MRAM", "MRAM (Pan et al. 2025): two layers, the lower one looks.", Mram(std=0.2), lr=2e-3
    ),
    "dt-ram-digits": _on_digits(
        "DT-RAM",
        "DT-RAM (Li et al. 2017): RAM that pays for every look, and learns when to stop.",
        DtRam(core="gru", std=0.2, price=0.02),
        curriculum=0.5,
    ),
    "edram-digits": _on_digits(
        "EDRAM",
        "EDRAM (Ablavatski et al. 2017): affine glimpses, by backpropagation. Its curves fall back "
        "more than once, where glimpses move faster than the answer follows, we think; the paper "
        "holds them with a loss on places, for which an agent would have to see boxes.",
        Edram(),
        sensor="affine",
        size=10,
        scales=None,
        cover=0.4,
        context="coarse",
        first="centre",
        estimator="pathwise",
        lr=1e-3,
        clip=1.0,
    ),
    "draw-digits": _on_digits(
        "DRAW reader",
        "DRAW's filterbank reader as a classifier (Gregor et al. 2015), by backpropagation.",
        DrawReader(),
        sensor="filterbank",
        scales=None,
        estimator="pathwise",
        lr=2e-3,
        clip=1.0,
    ),
    "zoom-ram-digits": _on_digits(
        "RAM that zooms",
        "RAM that also chooses how wide to look, through a Gaussian window.",
        ZoomRam(core="gru", std=0.2),
        sensor="zoom",
        scales=None,
        estimator="learned_baseline",
    ),
    "spread-ram-digits": _on_digits(
        "RAM, learned spread",
        "RAM whose policy learns how widely to draw. Seeds differ widely: the spread can grow or "
        "shrink before the mean has anything to prefer, we think.",
        SpreadRam(core="gru", std=0.2),
    ),
    "guided-ram-digits": _on_digits(
        "RAM, variational",
        "RAM on the evidence bound of Ba et al. (2015), with a guide that sees the label.",
        GuidedRam(core="gru", std=0.2),
        each=False,
        estimator="variational_sampled",
    ),
    "ws-ram-digits": _on_digits(
        "RAM, wake-sleep",
        "WS-RAM (Ba et al. 2015): reweighted wake-sleep, with a guide that sees the label. Behind "
        "random looks at this budget: likelihoods that hardly differ at first weigh four proposals "
        "a scene nearly alike, which leaves the policy little to follow, we think.",
        GuidedRam(core="gru", std=0.2),
        each=False,
        estimator="wake_sleep",
        samples=4,
        batch=64,
        images=80_000,
        validate_every=5_000,
    ),
    "temporal-ram-digits": _on_digits(
        "RAM, temporal attention",
        "RAM whose answer attends over all of its looks.",
        TemporalRam(core="gru", std=0.2),
    ),
    "kalman-ram-digits": _on_digits(
        "RAM, Kalman filter",
        "RAM whose memory is a Kalman filter over glimpses (Liu et al. 2020).",
        KalmanRam(std=0.2),
    ),
    "glance-focus-digits": _on_digits(
        "glance and focus",
        "GFNet (Wang et al. 2020): a coarse glance, then crops, paid for what each adds.",
        GlanceFocus(),
        context="coarse",
        estimator="per_look_gain",
    ),
    "sat-soft-digits": _on_digits(
        "show, attend and tell, soft",
        "Xu et al. (2015): soft attention, by backpropagation.",
        ShowAttendTell(),
        images=76_800,
        **CELLS,
        **SOFT,
    ),
    "sat-hard-digits": _on_digits(
        "show, attend and tell, hard",
        "Xu et al. (2015): one cell a look, half of the episodes at their expectation. One seed of "
        "three did not learn; nor did one of its control, so it is the answer that fails, we "
        "think, and not the looking.",
        ShowAttendTell(),
        images=76_800,
        estimator="moving_average",
        soft=0.5,
        **CELLS,
    ),
    "s3ta-digits": _on_digits(
        "S3TA",
        "S3TA (Zoran et al. 2020): the soft twin of RAM. Three seeds do not tell it from its "
        "control, whose random cells show a good part of the digit's surroundings.",
        Sequential(core="gru"),
        images=76_800,
        **CELLS,
        **SOFT,
    ),
    "scal-digits": _on_digits(
        "SCAL",
        "SCAL (Chen et al. 2019): soft attention that a critic judges in training.",
        Scal(),
        images=102_400,
        looks=2,
        estimator="self_critical_attention",
        draw="soft",
        **CELLS,
    ),
    "variational-soft-digits": _on_digits(
        "alignment, soft",
        f"{ONE}: soft.",
        Variational(),
        images=102_400,
        looks=2,
        **CELLS,
        **SOFT,
    ),
    "variational-hard-digits": _on_digits(
        "alignment, hard",
        f"{ONE}: hard, one draw against the soft loss.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="soft_baseline",
        **CELLS,
    ),
    "variational-exact-digits": _on_digits(
        "alignment, hard, exact",
        f"{ONE}: hard, every cell visited.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="enumerated",
        **CELLS,
    ),
    "variational-marginal-digits": _on_digits(
        "alignment, marginal",
        f"{ONE}: the likelihood itself, every cell visited.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="marginal_likelihood",
        **CELLS,
    ),
    "variational-enumerated-digits": _on_digits(
        "alignment, variational, exact",
        f"{ONE}: the evidence bound, every cell visited. One seed of three began to learn only "
        "after half of the images: until then the posterior had nothing to prefer.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="variational_enumerated",
        **CELLS,
    ),
    "variational-sampled-digits": _on_digits(
        "alignment, variational",
        f"{ONE}: the evidence bound, one draw of a posterior that sees the label.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="variational_sampled",
        **CELLS,
    ),
    "variational-gumbel-digits": _on_digits(
        "alignment, variational, Gumbel-softmax",
        f"{ONE}: the evidence bound, a relaxed draw of that posterior. Its temperature matters: at "
        "1 a seed ended with twice the error.",
        Variational(),
        images=102_400,
        looks=2,
        estimator="variational_gumbel",
        temperature=0.25,
        **CELLS,
    ),
    "variational-dirichlet-digits": _on_digits(
        "alignment, variational, Dirichlet",
        f"{ONE}: the evidence bound of relaxed attention, whose weights are drawn in training; in "
        "use it goes by their mean. Once trained they hardly vary, and the posterior is the prior.",
        VariationalDirichlet(),
        images=102_400,
        looks=2,
        estimator="variational_pathwise",
        pretraining=200,
        draw="soft",
        **CELLS,
    ),
}


def _controls() -> dict[str, Recipe]:
    """Each agent's observer under random looks, trained as that agent is."""
    given = {
        **{name: f"{name}-digits" for name in ("dram", "mram", "edram", "draw", "zoom-ram")},
        **{name: f"{name}-digits" for name in ("kalman-ram", "glance-focus", "s3ta", "scal")},
        "sat": "sat-hard-digits",
        "variational": "variational-hard-digits",
    }
    controls = {}
    for name, of in given.items():
        recipe = OTHERS[of]
        title = recipe.title.split(",")[0] if name == "variational" else recipe.title
        controls[f"random-{name}-digits"] = replace(
            recipe,
            title=f"random looks, {title.removesuffix(', hard')}",
            about=f"The observer of {of}, trained for looks that fall anywhere. {DIGITS.scene}",
            problem=replace(recipe.problem, draw="greedy"),
            agent=replace(recipe.agent, script="random"),
            learning=replace(recipe.learning, estimator="reinforce", soft=None, entropy=None),
        )
    return controls


# Beside what Stable-Baselines3 learns on the same scenes: see recipes/sb3.py.
CLUTTERED: dict[str, Recipe] = {
    name: recipe
    for name, recipe in CLUTTERED_DIGITS.members("cluttered-digits").items()
    if name.startswith(("ram-cluttered", "random-"))
}

PAIRS: dict[str, Recipe] = {
    "ram-pairs": PAIR.recipe(
        "RAM, learned baseline",
        "RAM (Mnih et al. 2014), with an LSTM. So few images teach its policy nothing worth more "
        "than random looks; in the paper of DRAM it has 9 %.",
        PAIR.ram,
    ),
    "random-pairs": PAIR.recipe(
        "random looks",
        "RAM's observer, trained for looks that fall anywhere.",
        replace(PAIR.ram, script="random"),
    ),
    "dram-blind-pairs": PAIR.recipe(
        "DRAM, no context",
        "DRAM (Ba et al. 2015) that is told nothing before it looks.",
        Dram(std=0.2, balance=0.03, filters=8),
        clip=1.0,
    ),
    "dram-pairs": PAIR.recipe(
        "DRAM",
        "DRAM (Ba et al. 2015). Ahead of RAM at the same number of images, as in the paper, where "
        "it has 5 %; here it is far from done.",
        Dram(std=0.2, balance=0.03, filters=8),
        context="coarse",
        clip=1.0,
    ),
    "random-dram-pairs": PAIR.recipe(
        "random looks, DRAM",
        "DRAM's observer, trained for looks that fall anywhere.",
        Dram(std=0.2, filters=8, script="random"),
        clip=1.0,
    ),
}


ATTENDING = Recipe(
    title="soft attention",
    about=(
        "A small residual CNN with a block of soft attention after each unit, or with a head "
        "that attends (--block, --head; `all` in a sweep stands for every row). 200 updates, "
        "which say as much about how fast a block learns as about how far it gets. Digits "
        "doubled to 16x16 on a 48x48 canvas with four pieces of clutter."
    ),
    problem=Problem(
        scene="cluttered",
        canvas=48,
        zoom=2,
        pieces=4,
        piece=8,
        sensor="whole",
        looks=1,
        first="centre",
        test_draws=4,
    ),
    agent=Soft(weights=60_000),
    learning=Learning(images=12_800, batch=64, lr=3e-3, warmup=25, validate_every=6_400),
)

AT_ONCE: dict[str, Recipe] = {
    "soft": ATTENDING,
    "stochastic": replace(
        ATTENDING,
        title="stochastic attention",
        about=(
            "The same network with a stochastic block or head, or with a soft one, for three times "
            "as many updates. Digits doubled to 16x16 on a 48x48 canvas with eight pieces of "
            "clutter."
        ),
        problem=replace(ATTENDING.problem, pieces=8),
        learning=replace(ATTENDING.learning, images=38_400, warmup=50, validate_every=9_600),
    ),
}

CLUSTERING: dict[str, Recipe] = {
    "gat-cluster-digits": Recipe(
        title="GATCluster",
        about=(
            "GATCluster (Niu et al. 2020): ten clusters by Gaussian attention, without a label in "
            "training or in choosing weights. Error is one minus the accuracy under the best "
            "matching of clusters with classes. Digits doubled to 16x16, anywhere on a blank 24x24 "
            "canvas."
        ),
        problem=Problem(
            scene="translated",
            canvas=24,
            zoom=2,
            sensor="whole",
            looks=1,
            first="centre",
            task="cluster",
            test_draws=4,
        ),
        agent=GatCluster(),
        learning=Learning(
            estimator="gat_cluster",
            images=256_000,
            batch=256,
            lr=3e-3,
            warmup=0,
            validate_every=64_000,
            keep="last",
        ),
    ),
}

RESA = DIGITS.recipe(
    "reinforced self-attention",
    "ReSAN (Shen et al. 2018): selects which of 64 patches of 6x6 pixels attend, and which are "
    "attended to; the rest is dropped.",
    Reinforced(sparsity=12.0),
    sensor="pairs",
    size=None,
    scales=None,
    rows=8,
    columns=8,
    looks=2,
    context="whole",
    each=False,
    test_draws=4,
    estimator="three_phases",
    phases=(500, 200),
    samples=2,
    images=102_400,
    batch=64,
    lr=3e-3,
    warmup=20,
    clip=5.0,
    validate_every=25_600,
    keep="last",
)
UNLEARNED = replace(RESA.learning, estimator="reinforce", phases=None, samples=None)
SELECTING: dict[str, Recipe] = {
    "reinforced-digits": RESA,
    "reinforced-all-digits": replace(
        RESA,
        title="self-attention, all tokens",
        about=f"The same network with all patches selected, from start to end. {DIGITS.scene}",
        agent=replace(RESA.agent, script="centre", share=1.0),
        learning=UNLEARNED,
    ),
    "random-reinforced-digits": replace(
        RESA,
        title="random tokens",
        about=f"The same network with 7 of the 64 patches, anywhere. {DIGITS.scene}",
        agent=replace(RESA.agent, script="random", share=0.11),
        learning=UNLEARNED,
    ),
}


_ALL: dict[str, Recipe] = {
    **DIGITS.members("digits"),
    **OTHERS,
    **_controls(),
    **CLUTTERED,
    **SB3,
    **MNIST.members("mnist"),
    **CLUTTERED_60.members("cluttered-60"),
    **PAIRS,
    **ACTIVE,
    **AT_ONCE,
    **CLUSTERING,
    **SELECTING,
}

RECIPES: dict[str, Recipe] = expecting(_ALL)
