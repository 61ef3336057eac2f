"""What tests of policy gain share."""

import json
from pathlib import Path

SMALL = (
    *("--canvas", "16", "--zoom", "1", "--size", "6", "--scales", "1", "--looks", "4"),
    *("--hidden", "16", "--what", "16", "--where", "16", "--test-draws", "2"),
    *("--images", "1280", "--batch-size", "128", "--validate-every", "1280"),
)


def only(runs: Path, script: str | None) -> Path:
    """The folder of the run whose script begins so, or that has none."""
    (found,) = (
        path.parent
        for path in runs.glob("*/seed-0/recipe.json")
        for given in [json.loads(path.read_text())["script"]]
        if (given is None if script is None else (given or "").startswith(script))
    )
    return found
