"""Recipes for what is asked at every place of the image, and for the places of key points."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

CANVAS = "on a 40x40 canvas with four pieces of clutter"
SCENE = f"Two digits doubled to 16x16 {CANVAS}; asked at every second pixel, 400 places."
POINTS = f"A digit doubled to 16x16 {CANVAS}; 5 points, each in one of 400 squares."

PLAIN = Recipe(
    title="masks, no attention",
    about=(
        "Which place belongs to which digit? A small residual CNN whose features, at a half and a "
        "quarter of the image's side, answer at every place: the control of those that attend "
        f"(--block, --decoder). {SCENE}"
    ),
    problem=ProblemOptions(
        scene=Spec("masks", canvas=40, zoom=2, digits=2, spacing=2),
        sensor=Spec("whole"),
        looks=1,
        first="centre",
    ),
    agent=Spec("dense"),
    training=TrainOptions(
        images=38_400,
        batch_size=32,
        lr=3e-3,
        warmup=50,
        max_grad_norm=1.0,
        validate_every=12_800,
    ),
)
INSTRUCTED = Spec("instructed", weight=0.4)


def blocked(name: str, title: str, source: str) -> Recipe:
    """The network with a block of attention."""
    return replace(
        PLAIN,
        title=f"masks, {title}",
        about=f"{source} in the network of `masks`, which is its control. {SCENE}",
        agent=Spec("dense", block=Spec(name)),
        controls=("masks",),
    )


def decoded(name: str, title: str, source: str) -> Recipe:
    """The network with a decoder, supervised on the way as its paper has it."""
    return replace(
        PLAIN,
        title=f"masks, {title}",
        about=(
            f"{source}, supervised on the way, behind the features of `masks`, which is its "
            f"control. {SCENE}"
        ),
        agent=Spec("dense", decoder=name),
        estimator=INSTRUCTED,
        controls=("masks",),
    )


SALIENT = replace(
    PLAIN,
    title="salient digits, no attention",
    about=f"`masks`, asked only whether a place belongs to a digit, not to clutter. {SCENE}",
    problem=replace(PLAIN.problem, scene=PLAIN.problem.scene.but(label="salient")),
)
SQUARE = f"A square of 16x16 from another scene, each with waves of its own, {CANVAS}."
PASTED = replace(
    PLAIN,
    title="pasted squares, no attention",
    about=f"Which place was pasted there from another scene? The network of `masks`. {SQUARE}",
    problem=replace(
        PLAIN.problem, scene=Spec("pasted", canvas=40, zoom=2, distractors=4, side=16, spacing=2)
    ),
)
GLIMPSES = Recipe(
    title="salient digits, RAM that paints",
    about=(
        "RAM (Mnih et al. 2014) whose every look adds what it says to a canvas of answers; where "
        "it never looked the answer is background. Departs from the paper: it paints, and does "
        "not classify; looks are paid what each adds to the belief in the truth; the policy's "
        "gradient trains the core, a GRU; draws narrow while it learns; Adam. Asked whether a "
        f"place belongs to a digit. Looks of 12x12 and 24x24 pixels. {SCENE}"
    ),
    problem=ProblemOptions(
        scene=SALIENT.problem.scene,
        sensor=Spec("retina", size=12, scales=2),
        looks=6,
        each=True,
        bonus=0.0,
    ),
    agent=Spec(
        "mask_ram",
        hidden=128,
        core="gru",
        joint=True,
        std=0.3,
        std_end=0.05,
        std_from=0.4,
        filters=16,
        paint=24,
    ),
    estimator=Spec("per_look_gain"),
    controls=("random-ram-salient", "raster-ram-salient"),
    training=TrainOptions(
        images=96_000,
        batch_size=64,
        lr=3e-3,
        warmup=50,
        max_grad_norm=1.0,
        validate_every=12_000,
    ),
)


def scripted(script: str) -> Recipe:
    """The same observer under a script, trained for it."""
    return replace(
        GLIMPSES,
        title=f"salient digits, {script} looks",
        about=f"The observer of `ram-salient`, whose looks are {script}. {SCENE}",
        agent=GLIMPSES.agent.but(script=script),
        estimator=Spec("learned_baseline"),
        controls=(),
    )


PLACES = replace(
    PLAIN,
    title="key points, no attention",
    about=(
        "Where are the corners of a digit's ink, and its centre? The network of `masks`, with a "
        f"map for each point. {POINTS}"
    ),
    problem=replace(
        PLAIN.problem, scene=Spec("keypoints", canvas=40, zoom=2, distractors=4, spacing=2)
    ),
)
STACKED = replace(
    PLACES,
    title="key points, stacked hourglass",
    about=f"Two hourglasses, the first supervised as well (Newell et al. 2016). {POINTS}",
    agent=Spec("stacked_hourglass"),
    estimator=Spec("instructed", weight=1.0),
    controls=("keypoints",),
)

AT_PLACES: dict[str, Recipe] = {
    "masks": PLAIN,
    "masks-criss-cross": blocked("criss_cross", "criss-cross", "Criss-cross attention"),
    "masks-em-attention": blocked("em_attention", "EM attention", "EM attention"),
    "masks-hamburger": blocked("hamburger", "Hamburger", "Hamburger"),
    "masks-acfnet": decoded("class_feature", "ACFNet", "Attentional class features"),
    "masks-reverse": decoded("reverse", "reverse attention", "Reverse attention"),
    "masks-gain": decoded("inference", "GAIN", "Guided attention inference"),
    "masks-ranet": decoded("region", "RANet", "Region attention"),
    "salient": SALIENT,
    "salient-pyramid": replace(
        SALIENT,
        title="salient digits, pyramid feature attention",
        about=f"Pyramid feature attention, with its edges supervised. Control: `salient`. {SCENE}",
        agent=Spec("dense", decoder="pyramid"),
        estimator=INSTRUCTED,
        controls=("salient",),
    ),
    "pasted": PASTED,
    "pasted-span": replace(
        PASTED,
        title="pasted squares, SPAN",
        about=f"The local self-attention of SPAN in each unit. Control: `pasted`. {SQUARE}",
        agent=Spec("dense", block=Spec("span")),
        controls=("pasted",),
    ),
    "ram-salient": GLIMPSES,
    "random-ram-salient": scripted("random"),
    "raster-ram-salient": scripted("raster"),
    "keypoints": PLACES,
    "keypoints-hourglass": STACKED,
    "keypoints-multi-context": replace(
        STACKED,
        title="key points, multi-context attention",
        about=f"The hourglasses, with gates that hang together (Chu et al. 2017). {POINTS}",
        agent=Spec("multi_context_stack"),
        controls=("keypoints-hourglass",),
    ),
}
