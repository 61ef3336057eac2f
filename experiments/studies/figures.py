"""Figures of the report for print, from the committed JSON and from nothing else.

They stand in the page of a report, too, when their runs are among its runs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hardattn.report.controls import script
from hardattn.report.page.theme import GREYS, PALETTE
from hardattn.report.render.print import Curves, Dots, Figure, Series
from hardattn.report.runs import Group

from .hard_or_soft import figures as hard_or_soft
from .robustness import tables as robustness
from .series import MARKERS, Member, caption, series


class Comparison(NamedTuple):
    """A figure to be: which recipes it is of, what it shows of them, how it is to be read."""

    key: str
    title: str
    labels: dict[str, str]  # by recipe, in order: what it is called in the figure
    spare: frozenset[str]  # recipes without which it is drawn as well
    panels: Callable[[Sequence[Member]], tuple[Curves | Dots, ...]]
    reading: str

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(self.labels) - self.spare


def figures(groups: Sequence[Group], command: str) -> list[Figure]:
    """Those whose runs are all there, on each set of scenes, and of runs that were characterised.

    command: what makes them.
    """
    drawn = []
    for scenes in sorted({group.scenes for group in groups}):
        here = {group.name: group for group in groups if group.scenes == scenes}
        for one in COMPARISONS:
            if one.needs <= here.keys():
                members = _members(one, here)
                panels = one.panels(members)
                said = caption(one.reading, panels, members, scenes)
                drawn.append(Figure(one.key, scenes, one.title, panels, said, command))
    return [*drawn, *hard_or_soft.of_groups(groups, command), *robustness.figures(groups, command)]


def _members(one: Comparison, here: Mapping[str, Group]) -> list[Member]:
    """In order; what learns where to look in colour, its control in grey."""
    members: list[Member] = []
    for number, (name, label) in enumerate(one.labels.items()):
        if name in here:
            colour = GREYS[0] if script(here[name].first) else PALETTE[number]
            members.append(Member(here[name], label, colour, MARKERS[number % len(MARKERS)]))
    return members


def _switch(members: Sequence[Member]) -> tuple[Curves | Dots, ...]:
    return _learning(members), _final(members, "error")


def _objectives(members: Sequence[Member]) -> tuple[Curves | Dots, ...]:
    return _final(members, "error"), _final(members, "nll")


def _twins(members: Sequence[Member]) -> tuple[Curves | Dots, ...]:
    looks = Curves(
        "looks taken", "test error, % (log scale)", tuple(map(_by_look, members)), start=1
    )
    return looks, _learning(members)


def _learning(members: Sequence[Member]) -> Curves:
    drawn = tuple(map(_by_images, members))
    return Curves("training images seen, thousands", "validation error, % (log scale)", drawn)


def _final(members: Sequence[Member], figure: str) -> Dots:
    drawn = []
    for member in members:
        values = [run.result.greedy.get(figure) for run in member.group.runs]
        # A net that diverged has no finite likelihood, and so no mark.
        known = [[value] for value in values if value is not None]
        whole = len(known) == len(values)
        seeds = known if whole else []
        drawn.append(series(member, (0.0,) * whole, seeds, figure != "nll"))
    if figure == "nll":
        return Dots("test negative log-likelihood, nats (log scale)", tuple(drawn), 3)
    return Dots("test error, % (log scale)", tuple(drawn), 1)


def _by_look(member: Member) -> Series:
    """Test error had it stopped after each look."""
    curves = [run.result.greedy["error_after"] for run in member.group.runs]
    looks = tuple(float(look + 1) for look in range(min(map(len, curves))))
    return series(member, looks, [curve[: len(looks)] for curve in curves], True)


def _by_images(member: Member) -> Series:
    """Validation error, wherever in training all seeds were validated."""
    curves = [dict(map(tuple, run.result.training.get("curve") or [])) for run in member.group.runs]
    shared = sorted(set.intersection(*map(set, curves)))
    at = tuple(images / 1000 for images in shared)
    return series(member, at, [[curve[images] for images in shared] for curve in curves], True)


COMPARISONS = (
    Comparison(
        "soft-and-hard",
        "Soft and hard attention: one network, one switch",
        {
            "sat-soft-digits": "soft",
            "sat-hard-digits": "hard",
            "random-sat-digits": "random looks",
        },
        frozenset({"random-sat-digits"}),
        _switch,
        "Show, attend and tell (Xu et al. 2015) reads the mean of its cells' features under its "
        "weights (soft), or the features of one cell drawn from them (hard).",
    ),
    Comparison(
        "objectives",
        "One alignment, five objectives",
        {
            "variational-soft-digits": "soft",
            "variational-marginal-digits": "marginal likelihood",
            "variational-exact-digits": "hard, enumerated",
            "variational-hard-digits": "hard, sampled",
            "variational-enumerated-digits": "variational, enumerated",
            "variational-sampled-digits": "variational, sampled",
            "random-variational-digits": "random looks",
        },
        frozenset({"variational-exact-digits", "random-variational-digits"}),
        _objectives,
        "One step of attention over cells (Deng et al. 2018), in one network: soft attention mixes "
        "the features of all cells, the others learn to read one. Enumerated: by the exact "
        "gradient; sampled: by an estimate of it.",
    ),
    Comparison(
        "s3ta-and-ram",
        "A soft and a hard way to look step by step: S3TA and RAM",
        {"s3ta-digits": "S3TA (sees everything)", "ram-digits": "RAM (never sees the image)"},
        frozenset(),
        _twins,
        "S3TA (Zoran et al. 2020) attends to features of the whole image and was asked after the "
        "last look only, RAM (Mnih et al. 2014) reads a small patch and was asked after each: what "
        "they may see differs, so neither is ranked above the other.",
    ),
)
