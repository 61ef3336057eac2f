"""What papers claim of attention as a choice: of patches, fixations, filters, proposals."""

from ..kinds import Json
from .megapixel.results import COSTS
from .stated import ERROR, Claim


def error_after(look: int, run: Json) -> float:
    """Error in percent, had the agent stopped after that look."""
    return 100 * float(run["figures"]["greedy"]["error_after"][look])


def kept(run: Json) -> float:
    """The share of patches that were looked at, in percent."""
    return 100 * float(run["figures"]["greedy"]["kept"])


def beside_as_costly(run: Json, other: Json) -> float:
    """Points of error of the last answer that costs no more operations than the other's.

    Minus the other's. Before an agent has answered for the first time it has guessed nothing: who
    cannot afford that, errs always.
    """
    budget = other["cost"]["flops"]
    looks = zip(run["cost"]["flops_after"], range(len(run["cost"]["flops_after"])), strict=True)
    within = [error_after(look, run) for flops, look in looks if flops <= budget]
    return (within[-1] if within else 100.0) - ERROR(other)


def growth(name: str) -> Claim:
    """Attention sampling's costs on the largest canvas, by those on the smallest."""
    words = {"seconds": "processor time an image", "bytes": "memory"}
    return Claim(
        "Attention sampling",
        f"its {words[name]} does not grow from 250x250 to 8192x8192",
        f"{words[name]} in training, as a share of that on 250x250, minus 1, and less than 0.1",
        COSTS,
        1.0,
        lambda run: float(run["grown"][name]),
        bound=0.1,
    )


# Where a claim is put to the test, as names of recipes end, and what is said of it.
SCENES = {"digits": "", "cluttered-60": ", on MNIST among clutter"}

CHOICES: tuple[Claim, ...] = (
    Claim(
        "PatchDrop",
        "looks at no more than half of the patches",
        "share of patches that are kept, in points minus 50",
        "patch-drop-digits",
        50.0,
        kept,
    ),
    Claim(
        "PatchDrop",
        "and keeps the accuracy of all of them",
        "error in points minus that with every patch, and less than 2 more",
        "patch-drop-digits",
        "all-patch-drop-digits",
        ERROR,
        bound=2.0,
    ),
    Claim(
        "PatchDrop",
        "chooses patches better than chance",
        "error in points minus that with half of the patches at random",
        "patch-drop-digits",
        "random-patch-drop-digits",
        ERROR,
    ),
    growth("seconds"),
    growth("bytes"),
    Claim(
        "Differentiable patch selection",
        "beats as many random patches",
        "error in points minus that with as many patches at random",
        "patch-selection-digits",
        "random-patch-selection-digits",
        ERROR,
    ),
    *(
        Claim(
            "AdaptiveNN",
            f"errs less than a {name} of as many operations",
            "error in points, of its last answer that costs no more, minus the CNN's",
            "adaptive-nn-digits",
            f"{recipe}-digits",
            ERROR,
            gap=beside_as_costly,
        )
        for name, recipe in (("small CNN", "small-cnn"), ("CNN", "cnn"))
    ),
    *(
        Claim(
            "dasNet",
            f"gains over its frozen base{where}",
            "error in points of the last pass minus that of the first",
            f"das-net-{scene}",
            f"das-net-{scene}",
            lambda run: error_after(-1, run),
            lambda run: error_after(0, run),
        )
        for scene, where in SCENES.items()
    ),
    *(
        Claim(
            "Saccader",
            f"needs to be taught where to look before it is rewarded{where}",
            "error in points minus that without location pre-training",
            f"saccader-{scene}",
            f"untaught-saccader-{scene}",
            ERROR,
        )
        for scene, where in SCENES.items()
    ),
    *(
        Claim(
            "Two-level attention",
            f"both levels are better than that of the {level} alone",
            f"error in points minus that of the {level} level alone",
            "two-level-digits",
            f"{recipe}-two-level-digits",
            ERROR,
        )
        for level, recipe in (("object", "object"), ("parts", "part"))
    ),
)
