"""What a result says of its recipe: the title of its row."""

import re

from hardattn.report.controls import soft
from hardattn.report.results import Result

BLOCKS = ("block", "head", "bases")  # options that the title of soft attention is made of


def title(result: Result) -> str:
    """Of soft attention its block or head, else that of its recipe; and all that was changed."""
    attends = soft(result)
    changed = [
        one
        for one in changes(result.name, result.title)
        if attends is None or one.partition("=")[0] not in BLOCKS
    ]
    return titled(attends or bare(result.title), changed)


def titled(title: str, changed: list[str]) -> str:
    """`RAM, learned baseline (estimator=reinforce)`."""
    return f"{title} ({', '.join(changed)})" if changed else title


def changes(name: str, title: str) -> list[str]:
    """What a run's name says was changed of its recipe, `NAME,lr=0.01,...`; a name that would be
    too long does not, and its title does.
    """
    said = name.partition(",")[2]
    if "=" not in said:
        found = re.search(r" \((\w+=.*)\)$", title)
        said = found[1] if found else ""
    return re.split(r",\s*(?=\w+=)", said) if said else []


def bare(title: str) -> str:
    """A title without what was changed."""
    return re.sub(r" \(\w+=.*\)$", "", title)
