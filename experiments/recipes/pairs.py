"""Recipes for two digits on a large canvas."""

from hardattn.training.options import TrainOptions

from ..kinds import Settings
from ..recipe import ProblemOptions, Recipe, Spec
from .family import DEPARTS, GAIN, Family
from .mnist import WIDE

# The budget of what was measured first.
FEW: Settings = {
    "images": 600_000,
    "batch_size": 128,
    "lr": 1e-3,
    "validate_every": 50_000,
}

PAIR = Family(
    problem=ProblemOptions(
        dataset="mnist",
        scene=Spec("pair", canvas=100),
        sensor=Spec("retina", size=12, scales=4),
        looks=5,
    ),
    scene="Two digits of MNIST anywhere on 100x100, 55 answers; five looks of 12x12, 4 scales.",
    ram=WIDE.but(core="lstm"),
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
)
CLIPPED: Settings = {"max_grad_norm": 1.0, "lr": 2e-3}
DRAM_DEPARTS = (
    "Departs from the paper: a look is paid for what it adds to the belief in the truth; an answer "
    "is learned after every look; draws narrow while it learns; sizes are ours; Adam."
)

LED = (
    "For a tenth of training its looks are led to digits, so that training, and it alone, is told "
    "where these are."
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
        estimator=GAIN,
        **CLIPPED,
    ),
    "dram-pairs": PAIR.recipe(
        "DRAM",
        f"DRAM (Ba et al. 2015), which has 5 % in the paper. {DRAM_DEPARTS}",
        DRAM,
        context="coarse",
        estimator=GAIN,
        **CLIPPED,
    ),
    # Nobody knows 55 answers before some looks hit a digit, and no look is worth anything before.
    "ram-led-pairs": PAIR.recipe(
        "RAM, led to digits at first",
        f"RAM (Mnih et al. 2014) as well as we can. {DEPARTS} {LED}",
        PAIR.ram,
        estimator=GAIN,
        led=0.1,
        led_by="target",
    ),
    "dram-led-pairs": PAIR.recipe(
        "DRAM, led to digits at first",
        f"DRAM (Ba et al. 2015). {DRAM_DEPARTS} {LED}",
        DRAM,
        context="coarse",
        estimator=GAIN,
        led=0.1,
        led_by="target",
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
    "random-dram-pairs": PAIR.recipe(
        "random looks, DRAM",
        "DRAM's observer, trained for looks that fall anywhere.",
        DRAM.but(script="random"),
        **CLIPPED,
    ),
}
