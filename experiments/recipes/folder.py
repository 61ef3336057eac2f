"""Recipes for pictures of one's own: `hardattn train ram-folder --dataset folder:photos`.

Size and channels are those of the data; pictures of several sizes are made equal, and said so.
"""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import OWN, ProblemOptions, Recipe, Spec
from .family import Family
from .mnist import WIDE

AUGMENT = ("flip", "shift", "scale", "colour")
TRAINING = TrainOptions(
    images=40_000,
    batch_size=64,
    lr=1e-3,
    validate_every=4_000,
    augment=AUGMENT,
    max_grad_norm=5.0,
)
WHOLE = replace(TRAINING, images=20_000, lr=2e-3, warmup=50, validate_every=2_000)

OWN_IMAGES = Family(
    problem=ProblemOptions(
        dataset=OWN, normalise=True, sensor=Spec("retina", size=8, scales=4), looks=6
    ),
    scene=(
        "A folder of your own (--dataset folder:PATH, of PATH/class/image), or hub:OWNER/NAME; six "
        "looks of 8x8, four scales. Mirrored, moved, scaled and recoloured in training (--augment)."
    ),
    ram=WIDE.but(std=0.15, std_end=0.03),
    training=TRAINING,
    published={"std": 0.15},
    whole=dict.fromkeys(("mlp", "conv_2014", "cnn"), WHOLE),
)


def attending(block: str) -> Recipe:
    """The small residual network with a block of soft attention after each unit."""
    family = OWN_IMAGES
    return Recipe(
        title="soft attention",
        about=(
            "A small residual CNN with a block of soft attention after each unit, or with a head "
            f"that attends (--block, --head). {family.scene.partition(';')[0]}."
        ),
        problem=replace(family.problem, sensor=Spec("whole"), looks=1, first="centre"),
        agent=Spec("soft", block=block),
        training=replace(WHOLE, lr=3e-3),
    )


FOLDER: dict[str, Recipe] = {
    **OWN_IMAGES.members("folder"),
    "soft-folder": attending("cbam"),
}
