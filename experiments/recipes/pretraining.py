"""Recipes that learn without labels first: a linear probe then says what was learned."""

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

SCENE = "Digits doubled to 16x16, as they are: 16 patches of 4x4."
PROBE = "Then its features are frozen, and a linear probe learns to answer from their mean."
UPDATES, PROBED = 900, 300  # without labels, and with
BATCH = 128


def pretrained(title: str, about: str, agent: Spec, estimator: Spec, *controls: str) -> Recipe:
    """So many updates without labels, and so many with."""
    return Recipe(
        title=title,
        about=f"{about} {PROBE} {SCENE}",
        problem=ProblemOptions(
            scene=Spec("plain", zoom=2),
            sensor=Spec("whole"),
            looks=1,
            first="centre",
        ),
        agent=agent,
        estimator=estimator,
        training=TrainOptions(
            images=BATCH * (estimator.options["pretraining"] + PROBED),
            batch_size=BATCH,
            lr=3e-3,
            schedule="constant",  # so that the probe learns as fast after it as without it
            warmup=20,
            max_grad_norm=3.0,
            validate_every=BATCH * PROBED,
            keep="last",
        ),
        controls=controls,
    )


MASKED = pretrained(
    "masked autoencoder",
    "MAE (He et al. 2022): three quarters of the patches are hidden, and their pixels restored.",
    Spec("masked_autoencoder", width=64),
    Spec("masked_pixels", pretraining=UPDATES),
    "untrained-probe-digits",
)
DISTILLED = pretrained(
    "DINO",
    "DINO (Caron et al. 2021): two views of an image, told alike by a teacher that is the running "
    "mean of the student. Departs from the paper: what the teacher says is balanced over a batch "
    "(Oquab et al. 2023), and sharper; with a running centre it came to say nothing.",
    Spec("self_distilled", width=64),
    Spec("self_distillation", pretraining=UPDATES, balanced=True, teacher_temperature=0.01),
    "untrained-probe-digits",
)

PRETRAINED: dict[str, Recipe] = {
    "mae-digits": MASKED,
    "dino-digits": DISTILLED,
    "untrained-probe-digits": pretrained(
        "a probe of nothing learned",
        "The control of mae-digits and dino-digits: the same network as it is made.",
        Spec("masked_autoencoder", width=64),
        Spec("masked_pixels", pretraining=0),
    ),
}
