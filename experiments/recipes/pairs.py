"""Recipes for two digits on a large canvas."""

from hardattn.training.options import TrainOptions

from ..kinds import Settings
from ..recipe import ProblemOptions, Recipe, Spec
from .family import GAIN, Family
from .mnist import WIDE

# The budget of what was measured first.
FEW: Settings = {
    "images": 600_000,
    "batch_size": 128,
    "lr": 1e-3,
    "validate_every": 50_000,
}

# What is learned of a digit in one of its ten pairs is to hold in all: with one head for 55 answers
# RAM whose looks are led to digits has a cross-entropy of 3.3 after 300,000 scenes, with this 2.1.
OF_DIGITS: Settings = {"pairs_of": 10}

PAIR = Family(
    problem=ProblemOptions(
        dataset="mnist",
        scene=Spec("pair", canvas=100),
        sensor=Spec("retina", size=12, scales=4),
        looks=5,
    ),
    scene="Two digits of MNIST anywhere on 100x100, 55 answers; five looks of 12x12, 4 scales.",
    ram=WIDE.but(core="lstm", **OF_DIGITS),
    gain=GAIN.but(late=2.0),
    training=TrainOptions(images=6_000_000, batch_size=256, lr=3e-3, validate_every=200_000),
    plain=Spec("ram", core="lstm", std=0.2),
    apart=TrainOptions(**FEW),
    published={"std": 0.2},
)
DRAM = Spec(
    "dram",
    hidden=128,
    features=128,
    filters=8,
    std=0.2,
    std_end=0.04,
    std_from=0.4,
    balance=0.3,
    **OF_DIGITS,
)
CLIPPED: Settings = {"max_grad_norm": 1.0, "lr": 2e-3}
DRAM_DEPARTS = (
    "Departs from the paper: a look is paid for what it adds to the belief in the truth; an answer "
    "is learned after every look, and the later the more; the answer is read off two heads of one "
    "digit each; draws narrow while it learns; sizes are ours; Adam."
)

PAIRS: dict[str, Recipe] = {
    **{
        name: recipe
        for name, recipe in PAIR.members("pairs").items()
        if name in ("ram-pairs", "ram-published-pairs", "ram-learned-baseline-pairs")
        or name.startswith(("random-", "centre-", "raster-"))
    },
    "dram-blind-pairs": PAIR.recipe(
        "DRAM, no context",
        f"DRAM (Ba et al. 2015) that is told nothing before it looks. {DRAM_DEPARTS}",
        DRAM,
        estimator=PAIR.gain,
        **CLIPPED,
    ),
    "dram-pairs": PAIR.recipe(
        "DRAM",
        f"DRAM (Ba et al. 2015), which has 5 % in the paper. {DRAM_DEPARTS}",
        DRAM,
        context="coarse",
        estimator=PAIR.gain,
        **CLIPPED,
    ),
    "dram-learned-baseline-pairs": PAIR.recipe(
        "DRAM, learned baseline",
        "DRAM (Ba et al. 2015) by REINFORCE with a learned baseline. Departs from the paper: looks "
        "learn from the cross-entropy after every look, not from a reward; sizes are ours; Adam.",
        Spec("dram", std=0.2, balance=0.03, filters=8),
        context="coarse",
        max_grad_norm=1.0,
        **FEW,
    ),
    **{
        f"{script}-dram-pairs": PAIR.recipe(
            f"{script} looks, DRAM",
            f"DRAM's observer, trained for looks that {fall}.",
            DRAM.but(script=script),
            estimator=PAIR.gain,
            **CLIPPED,
        )
        for script, fall in (
            ("random", "fall anywhere"),
            ("raster", "go over the image line by line"),
        )
    },
}
