"""What papers claim of attention, each put to a test on committed results.

`hardattn results claims` prints the table of its page. A claim is a difference between two
results, or from a number, over the training seeds that they share; it held where the whole 95 %
interval lies on its side, and cannot be told where the interval reaches across. Each says at what
budget of training. Claims on blocks and heads are put to `hardattn soft`, where all were trained by
one protocol. Those on what does not grow with a canvas are put to `hardattn megapixel`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from hardattn.report.column import estimate_text
from hardattn.report.format_1 import settings
from hardattn.report.render.grid import heading, row_of
from hardattn.statistics.intervals import paired_difference, within

from ..kinds import Json
from ..records.committed import RESULTS, runs_of
from .choices import CHOICES
from .megapixel import results as megapixel
from .soft.plan import FULL
from .soft.results import SAVED
from .stated import ERROR, Claim, correct, figure

CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            "Bayesian attention modules",
            f"calibrate better than their soft twin ({family})",
            f"{name}, averaged passes, minus multi-head attention's",
            f"soft-long,block={row}",
            "soft-long,block=multi_head",
            figure(key, "averaged"),
            figure(key),
        )
        for family, row in (("Weibull", "bayesian_weibull"), ("log-normal", "bayesian_log_normal"))
        for name, key in (("ECE", "ece"), ("NLL", "nll"))
    ),
    Claim(
        "Uncertainty-aware attention",
        "its uncertainty predicts errors",
        "AUROC of errors by confidence, averaged passes, minus 0.5",
        "soft-long,head=uncertainty_aware",
        0.5,
        figure("error_auroc", "averaged"),
        more=True,
    ),
    Claim(
        "Uncertainty-aware attention",
        "and does so better than its soft twin's",
        "area under risk and coverage, averaged passes, in points minus RETAIN's",
        "soft-long,head=uncertainty_aware",
        "soft-long,head=retain",
        figure("aurc", "averaged", 100),
        figure("aurc", times=100),
    ),
    Claim(
        "Uncertainty-aware attention",
        "calibrates better than its soft twin",
        "ECE, averaged passes, minus RETAIN's",
        "soft-long,head=uncertainty_aware",
        "soft-long,head=retain",
        figure("ece", "averaged"),
        figure("ece"),
    ),
    Claim(
        "Variational attention",
        "beats soft attention in likelihood",
        "NLL, averaged passes, minus soft's",
        "variational-sampled-digits",
        "variational-soft-digits",
        figure("nll", "averaged"),
        figure("nll"),
    ),
    Claim(
        "Variational attention",
        "beats hard attention in likelihood",
        "NLL, averaged passes, minus hard's",
        "variational-sampled-digits",
        "variational-hard-digits",
        figure("nll", "averaged"),
    ),
    Claim(
        "Variational attention",
        "its relaxed (Dirichlet) form is behind the categorical one",
        "NLL, averaged passes, minus the categorical one's",
        "variational-dirichlet-digits",
        "variational-sampled-digits",
        figure("nll", "averaged"),
        more=True,
    ),
    Claim(
        "Reinforced self-attention",
        "keeps its accuracy at a tenth of the tokens",
        "error in points minus that with every token, and less than 2 more",
        "reinforced-digits",
        "reinforced-all-digits",
        ERROR,
        bound=2.0,
    ),
    Claim(
        "Reinforced self-attention",
        "chooses tokens better than chance",
        "error in points minus that with as many tokens at random",
        "reinforced-digits",
        "random-reinforced-digits",
        ERROR,
    ),
    Claim(
        "GATCluster",
        "clusters with no label, far above chance",
        "accuracy in points minus 10",
        "gat-cluster-digits",
        10.0,
        correct,
        more=True,
    ),
    Claim(
        "EM attention",
        "its bases are compact: 4 do what 16 do",
        "error in points with 4 bases minus that with 16, and less than 2 more",
        "soft-long,block=em_attention,bases=4",
        "soft-long,block=em_attention",
        ERROR,
        bound=2.0,
    ),
    Claim(
        "EM attention",
        "and what all 144 places do",
        "error in points with 4 bases minus non-local attention's, and less than 2 more",
        "soft-long,block=em_attention,bases=4",
        "soft-long,block=non_local",
        ERROR,
        bound=2.0,
    ),
    Claim(
        "Attention-based dropout",
        "widens the class activation map over the object",
        "MaxBoxAcc of the class activation map in points minus that without",
        "soft-long,block=attention_dropout",
        "soft-long",
        figure("activation_box_accuracy", times=100),
        more=True,
    ),
    Claim(
        "Harmonious attention",
        "learned hard regions add to the soft part",
        "error in points minus that of the soft part alone",
        "soft-long,head=harmonious_regions",
        "soft-long,block=harmonious",
        ERROR,
    ),
    *CHOICES,
)


def rows(results: Path = RESULTS) -> list[dict[str, str]]:
    """One for each claim: what was measured, and whether it held."""
    return [_row(one, results) for one in CLAIMS]


def _row(one: Claim, results: Path) -> dict[str, str]:
    said = {"paper": one.paper, "claim": one.claim, "test": one.test}
    mine, theirs = sides(one, results)
    seeds = sorted(mine.keys() & theirs.keys())
    if not seeds:
        return {**said, "measured": "", "seeds": "0", "budget": "", "verdict": "not run"}
    gap = paired_difference(*_values(one, [(mine[seed], theirs[seed]) for seed in seeds]))
    gap = within(*one.limits, gap)
    verdict = "cannot be told"
    if gap.low is not None and gap.high is not None:
        below, above = gap.high < one.bound, gap.low > one.bound
        if below or above:
            verdict = "held" if above == one.more else "**did not hold**"
    measured = estimate_text(gap, one.decimals, sign=True)
    found = {"measured": measured, "seeds": str(len(seeds)), "budget": budget(mine[seeds[0]])}
    return {**said, **found, "verdict": verdict}


def _values(one: Claim, pairs: Sequence[tuple[Json, Json]]) -> tuple[list[float], list[float]]:
    """What is subtracted from what, of both sides by seed."""
    if one.gap is not None:
        return [one.gap(mine, theirs) for mine, theirs in pairs], [0.0] * len(pairs)
    of_other = one.figure_of_other or one.figure
    return [one.figure(mine) for mine, _ in pairs], [
        of_other(theirs) if isinstance(one.other, str) else one.other for _, theirs in pairs
    ]


Runs = dict[int, Json]


def sides(one: Claim, results: Path) -> tuple[Runs, Runs]:
    """The runs of both sides of a claim by seed."""
    mine = runs(results, one.one)
    return mine, runs(results, one.other) if isinstance(one.other, str) else mine


def budget(run: Json) -> str:
    """For how long a run was trained."""
    if "training" not in run:
        return "not trained"
    batch = settings(run["recipe"]).get("batch_size")
    images = run["training"]["images"]
    return f"{images:,} images" if not batch else f"{images // batch:,} updates of {batch}"


def runs(results: Path, name: str) -> Runs:
    """The committed runs of a name, by seed; none where there are none."""
    if name == megapixel.COSTS:
        return megapixel.rounds(megapixel.read(results))
    if name.partition(",")[0] == FULL.recipe:
        return of_study(results, name.partition(",")[2])
    return runs_of(name, results)


def of_study(results: Path, changes: str) -> Runs:
    """The same of a row of `hardattn soft`, which is named by what differs from its control."""
    path = results / SAVED.relative_to(RESULTS)
    study = json.loads(path.read_text()) if path.exists() else {"rows": []}
    row = next((row for row in study["rows"] if row["name"] == changes), None)
    if row is None:
        return {}
    images = study["updates"] * study["batch"]
    kinds = {"greedy": row["greedy"], "averaged": row["averaged"] or row["greedy"]}
    return {
        seed: {
            "seed": seed,
            "recipe": {"batch_size": study["batch"]},
            "training": {"images": images},
            "figures": {
                kind: {name: values[at] for name, values in figures.items()}
                for kind, figures in kinds.items()
            },
        }
        for at, seed in enumerate(row["seeds"])
    }


def markdown(results: Path = RESULTS) -> str:
    """The table of its page."""
    heads = ("paper", "claim", "test", "measured", "seeds", "budget", "verdict")
    lines = heading(heads, set(heads) - {"measured", "seeds"})
    lines += [row_of(row[name] for name in heads) for row in rows(results)]
    return "\n".join(lines) + "\n"
