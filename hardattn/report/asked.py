"""Columns of what only some tasks ask for: masks, key points, sentences, places, clips; and what
an error is counted of there.
"""

from collections.abc import Mapping

from hardattn.report.column import Column, measured
from hardattn.report.rows import Table

MASKS = (
    "Mean IoU: over the classes and nothing, of all test scenes together. Boundary F: of the cells "
    "on the border of each class, found within a cell, mean over classes and scenes."
)
SENTENCES = (
    "Right words: place by place, as each is said after its own, the end among them. BLEU-4 and "
    "CIDEr compare with the one true sentence of a scene; the best are 100 and 10, as CIDEr counts "
    "ten times the cosine."
)
CANDIDATES = (
    "Recall@1, 5, 10: scenes whose true candidate is the likeliest, or among the 5 or 10 likeliest."
)
# What an error is a share of, by the scene that was asked about; of all others, of scenes.
COUNTED = {
    "masks": ("places", "a scene's places that were answered wrong"),
    "pasted": ("places", "a scene's places that were answered wrong"),
    "keypoints": ("points", "a scene's key points whose square is not exactly the true one"),
    "captions": ("sentences", "sentences that are not the true one to the word"),
    "query": ("scenes", "scenes whose place, or that it is at none, was not exactly told"),
    "few_shot": ("episodes", "episodes whose column was not told"),
    "matching": ("scenes", "scenes whose candidate was not told"),
}


def scene(settings: Mapping[str, object]) -> str:
    """The name of the scene that a recipe with these settings shows; "" where it is not known."""
    return str(settings.get("scene") or "")


def asks(table: Table, *names: str) -> bool:
    """Whether any row is about one of these scenes."""
    return any(scene(row.group.first.recipe) in names for row in table.rows)


def error_head(table: Table) -> str:
    """The head of the column of errors: what is counted, where that is not scenes alone."""
    kinds = {scene(row.group.first.recipe) for row in table.rows}
    said = {COUNTED[kind][0] for kind in kinds if kind in COUNTED}
    if len(said) != 1 or not kinds <= COUNTED.keys() or said == {"scenes"}:
        return "error %"
    return f"error, % of {said.pop()}"


def error_words(settings: Mapping[str, object]) -> str:
    """What follows an error in percent: "error", or of what so many are wrong."""
    what, _ = COUNTED.get(scene(settings), ("scenes", ""))
    return "error" if what == "scenes" else f"of {what} wrong"


def counted(table: Table) -> str:
    """A sentence on what an error is a share of, where that is not the share of scenes; else ""."""
    kinds = sorted({scene(row.group.first.recipe) for row in table.rows} & COUNTED.keys())
    said = list(dict.fromkeys(COUNTED[kind][1] for kind in kinds))
    return f"Error counts {'; '.join(said)}." if said else ""


ASKED = (
    Column(
        "mean_iou",
        "mean IoU %",
        "of masks with the true ones, over classes",
        measured("mean_iou", 100.0),
        decimals=1,
        drop_at=46,
        at_once=True,
        note=MASKS,
    ),
    Column(
        "boundary_f",
        "boundary F %",
        "F1 of the cells on the borders of masks",
        measured("boundary_f", 100.0),
        decimals=1,
        drop_at=40,
        at_once=True,
        note=MASKS,
    ),
    Column(
        "pck",
        "PCK %",
        "key points found, within a fifth of the object's longer side",
        measured("pck", 100.0),
        decimals=1,
        drop_at=45,
        at_once=True,
        note="PCK: key points told no farther from the true one than a fifth of the longer side of "
        "the object's box (Yang & Ramanan 2013).",
    ),
    Column(
        "token_accuracy",
        "right words %",
        "words that are the true one, place by place",
        measured("token_accuracy", 100.0),
        decimals=1,
        drop_at=44,
        at_once=True,
        note=SENTENCES,
    ),
    Column(
        "bleu_4",
        "BLEU-4 %",
        "n-grams of 1 to 4 words that the true sentence has",
        measured("bleu_4", 100.0),
        decimals=1,
        drop_at=39,
        at_once=True,
        note=SENTENCES,
    ),
    Column(
        "cider",
        "CIDEr",
        "likeness to the true sentence, of 10, rare words first",
        measured("cider"),
        decimals=2,
        drop_at=38,
        at_once=True,
        note=SENTENCES,
    ),
    Column(
        "grounding",
        "grounding %",
        "attention on what the word to be said names",
        measured("grounding", 100.0),
        decimals=1,
        drop_at=41,
        at_once=True,
        note="Grounding: the share of looks, or of a map's weight, that lies in the box of what "
        "the true word names while it is to be said; mean over the words that name something.",
    ),
    *(
        Column(
            f"recall_{many}",
            f"recall@{many} %",
            f"scenes whose true candidate is among the {many} likeliest"
            if many > 1
            else "scenes whose true candidate is the likeliest",
            measured(f"recall_{many}", 100.0),
            decimals=1,
            drop_at=place,
            at_once=True,
            where=lambda table: asks(table, "matching"),
            note=CANDIDATES,
        )
        for many, place in ((1, 43), (5, 37), (10, 36))
    ),
    Column(
        "answer_iou",
        "answer IoU %",
        "of the place that was answered with the true one",
        measured("answer_iou", 100.0),
        decimals=1,
        drop_at=47,
        at_once=True,
        where=lambda table: asks(table, "localise", "query"),
        note="Answer IoU: mean overlap of the box at the place that was answered with the true "
        "one. Where there is nothing to be found it is 1 for saying so, else 0.",
    ),
    Column(
        "frames_looked",
        "frames",
        "of the clip that were looked at, in the mean",
        measured("frames_looked"),
        decimals=1,
        drop_at=42,
        at_once=True,
        where=lambda table: asks(table, "clips"),
        note="Frames: how many different frames of the clip were looked at, in the mean.",
    ),
)
