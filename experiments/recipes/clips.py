"""Recipes for clips: which of two digits came first? Attention in time, and looks at frames."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

SCENE = (
    "Two digits of 8x8, one after the other, each in three frames of six, moving on a canvas of "
    "16x16; the answer is the class of the one that came first."
)
WHOLE = ProblemOptions(
    scene=Spec("clips", canvas=16, frames=6, asked="order"),
    sensor=Spec("whole"),
    looks=1,
    first="centre",
    test_draws=4,
)
# One look for each frame but one, wherever it likes.
LOOKING = replace(
    WHOLE, sensor=Spec("frames", size=8, scales=2), looks=5, first="random", each=False
)
TRAINING = TrainOptions(
    images=64_000, batch_size=64, lr=3e-3, warmup=50, max_grad_norm=1.0, validate_every=16_000
)
RASTER = "path:" + ",".join(f"{(2 * frame + 1) / 6 - 1:.3f},0" for frame in (0, 1, 3, 4))


def attending(title: str, about: str, temporal: str, *controls: str) -> Recipe:
    """Who sees all frames."""
    return Recipe(
        title=title,
        about=f"{about} {SCENE}",
        problem=WHOLE,
        agent=Spec("clip", temporal=temporal),
        training=TRAINING,
        controls=controls,
    )


FRAME_RAM = Recipe(
    title="RAM that chooses frames",
    about=f"RAM whose places are of a frame and in it; five looks of 8x8, two scales. {SCENE}",
    problem=replace(LOOKING, each=True),
    agent=Spec("frame_ram", core="gru", hidden=128, std=0.2, std_end=0.05, joint=True, filters=16),
    estimator=Spec("per_look_gain", discount=0.7),
    training=TrainOptions(
        images=192_000, batch_size=128, lr=3e-3, max_grad_norm=5.0, validate_every=24_000
    ),
    controls=("random-frame-ram-clips", "raster-frame-ram-clips"),
)


def scripted(title: str, script: str) -> Recipe:
    """Its observer, whose looks nobody learned."""
    return replace(
        FRAME_RAM,
        title=f"{title}, RAM that chooses frames",
        about=f"The observer of frame-ram-clips under {title}. {SCENE}",
        agent=FRAME_RAM.agent.but(script=script),
        estimator=Spec("reinforce"),
        controls=(),
    )


CLIPS: dict[str, Recipe] = {
    "mean-clips": attending(
        "no attention in time",
        "The twin of those that attend in time: the mean over frames, which have no order.",
        "none",
    ),
    "convolution-clips": attending(
        "convolutions in time",
        "The twin of GLTR that does not attend: its dilated convolutions over frames alone.",
        "convolution",
    ),
    "gltr-clips": attending(
        "GLTR",
        "GLTR (Li et al. 2019): self-attention over a pyramid of convolutions.",
        "gltr",
        "convolution-clips",
    ),
    "spatio-temporal-clips": attending(
        "divided space-time attention",
        "Divided space-time attention (Bertasius et al. 2021): over frames, then over places.",
        "spatio_temporal",
        "mean-clips",
    ),
    "temporal-adaptive-clips": attending(
        "TAM",
        "TAM (Liu et al. 2020): an importance of each frame, and a kernel made for each clip.",
        "temporal_adaptive",
        "mean-clips",
    ),
    "frame-ram-clips": FRAME_RAM,
    "random-frame-ram-clips": scripted("random looks", "random"),
    "raster-frame-ram-clips": scripted("a look at one frame after the other", RASTER),
}
