"""Recipes for digits on a blank canvas: agents that attend to cells of features."""

from ..kinds import Settings
from ..recipe import Recipe, Spec
from .digits import on_digits, random_looks

# Agents that attend over a 6x6 grid of features of the whole image.
CELLS: Settings = {
    "sensor": Spec("cells", rows=6, columns=6),
    "context": "whole",
    "each": False,
    "batch_size": 128,
    "lr": 5e-3,
    "warmup": 50,
    "max_grad_norm": 5.0,
    "validate_every": 12_800,
}
SOFT: Settings = {"estimator": Spec("soft_attention"), "draw": "soft"}
ONE = "One step of attention over features (Deng et al. 2018)"

ATTENDING: dict[str, Recipe] = {
    "sat-soft-digits": on_digits(
        "show, attend and tell, soft",
        "Xu et al. (2015): soft attention, by backpropagation.",
        Spec("show_attend_tell"),
        images=76_800,
        **CELLS,
        **SOFT,
    ),
    "sat-hard-digits": on_digits(
        "show, attend and tell, hard",
        "Xu et al. (2015): one cell a look, half of the episodes at their expectation. With the "
        "rate of soft attention one seed of three learned nothing; so it is lower, and there are "
        "twice the images.",
        Spec("show_attend_tell"),
        images=153_600,
        estimator=Spec("moving_average", soft=0.5),
        **CELLS | {"lr": 2e-3},
    ),
    "s3ta-digits": on_digits(
        "S3TA",
        "S3TA (Zoran et al. 2020): the soft twin of RAM. Three seeds do not tell it from its "
        "control, whose random cells show a good part of the digit's surroundings.",
        Spec("sequential", core="gru"),
        images=76_800,
        **CELLS,
        **SOFT,
    ),
    "scal-digits": on_digits(
        "SCAL",
        "SCAL (Chen et al. 2019): soft attention that a critic judges in training.",
        Spec("scal"),
        images=102_400,
        looks=2,
        estimator=Spec("self_critical_attention"),
        draw="soft",
        **CELLS,
    ),
    "variational-soft-digits": on_digits(
        "alignment, soft",
        f"{ONE}: soft.",
        Spec("variational"),
        images=102_400,
        looks=2,
        **CELLS,
        **SOFT,
    ),
    "variational-hard-digits": on_digits(
        "alignment, hard",
        f"{ONE}: hard, one draw against the soft loss.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("soft_baseline"),
        **CELLS,
    ),
    "variational-exact-digits": on_digits(
        "alignment, hard, exact",
        f"{ONE}: hard, every cell visited.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("enumerated"),
        **CELLS,
    ),
    "variational-marginal-digits": on_digits(
        "alignment, marginal",
        f"{ONE}: the likelihood itself, every cell visited.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("marginal_likelihood"),
        **CELLS,
    ),
    "variational-enumerated-digits": on_digits(
        "alignment, variational, exact",
        f"{ONE}: the evidence bound, every cell visited. One seed of three began to learn only "
        "after half of the images: until then the posterior had nothing to prefer.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("variational_enumerated"),
        **CELLS,
    ),
    "variational-sampled-digits": on_digits(
        "alignment, variational",
        f"{ONE}: the evidence bound, one draw of a posterior that sees the label.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("variational_sampled"),
        **CELLS,
    ),
    "variational-gumbel-digits": on_digits(
        "alignment, variational, Gumbel-softmax",
        f"{ONE}: the evidence bound, a relaxed draw of that posterior. Its temperature matters: at "
        "1 a seed ended with twice the error.",
        Spec("variational"),
        images=102_400,
        looks=2,
        estimator=Spec("variational_gumbel", temperature=0.25),
        **CELLS,
    ),
    "variational-dirichlet-digits": on_digits(
        "alignment, variational, Dirichlet",
        f"{ONE}: the evidence bound of relaxed attention, whose weights are drawn in training; in "
        "use it goes by their mean. Once trained they hardly vary, and the posterior is the prior.",
        Spec("variational_dirichlet"),
        images=102_400,
        looks=2,
        estimator=Spec("variational_pathwise", pretraining=200),
        draw="soft",
        **CELLS,
    ),
}

CONTROLS: dict[str, Recipe] = {
    f"random-{name}-digits": random_looks(of, ATTENDING[of], title)
    for name, of, title in (
        ("s3ta", "s3ta-digits", "S3TA"),
        ("scal", "scal-digits", "SCAL"),
        ("sat", "sat-hard-digits", "show, attend and tell"),
        ("variational", "variational-hard-digits", "alignment"),
    )
}
