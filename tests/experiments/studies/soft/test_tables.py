"""The page: every row stands on it, at what budget, or is named as not run."""

import json
from pathlib import Path

from hardattn.experiments.commands.tables import best
from hardattn.experiments.studies.soft.tables import markdown
from tests.experiments.studies.soft.test_results import CONTROL, row, shifted, study


def test_the_page_tells_budget_rows_verdicts_and_what_is_lacking() -> None:
    longer = row("images=128000", [error - 0.001 for error in CONTROL], "longer", 90)
    wide = row("middle=33", CONTROL, "wider", 120)
    wide["changes"] = {"middle": 33}
    waiting = row("sagan", [])
    failed = row("eca", shifted(0.0, 4))
    failed["diverged"] = [4]
    found = study(row("se", shifted(-0.05), mean=0.2, foreign=0.3), longer, wide, waiting, failed)
    page = markdown(found)
    assert "2,000 updates of 32 images each" in page and "after 1,000 updates" in page
    assert "twice as long, minus the control: −0.1 [−0.1, −0.1] points of error." in page
    line = next(line for line in page.splitlines() if line.startswith("| `se`"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:2] == ["`se`", "5"] and cells[7] == "attends"
    assert cells[9:13] == ["channel", "branch", "0.001", "+10"]
    assert "Not run yet: `sagan`." in page
    assert "Diverged: `eca` (seed 4)." in page
    assert "*attends*, 1 rows" in page
    heads = next(line for line in page.splitlines() if "verdict" in line)
    assert len(heads.split("|")) == len(line.split("|"))


def test_the_page_says_what_each_interval_says_alone() -> None:
    wide = row("middle=33", shifted(-0.02), "wider", 120)
    wide["changes"] = {"middle": 33}
    found = study(
        row("se", shifted(-0.05), mean=0.2, foreign=0.3),
        row("split", shifted(-0.01), mean=0.0, foreign=0.01),
        row("eca", shifted(0.03), mean=0.2, foreign=0.001),
        row("sagan", []),
        wide,
    )
    said = {line[2:].split(": ")[0]: line for line in markdown(found).splitlines()}
    assert "some 0 of 3 intervals" in markdown(found)
    less = said["less error than the network without it, 2 rows"]
    assert less.endswith("`se`, `split`;")
    assert said["of these, less than one that is as wide, or no weights more than it, 1"].endswith(
        ": `se`;"
    )
    assert said["more error than the network without it, 1"].endswith(": `eca`;")
    idle = said["no more than 2 points lost under another image's map, 2 of 3"]
    assert idle.endswith(": `split`, `eca`.")


def test_a_smoke_test_has_no_verdicts_on_its_page() -> None:
    page = markdown(study(row("se", shifted(-0.05), mean=0.2, foreign=0.3), recipe="soft"))
    assert "verdict |" not in page and "attends" not in page
    assert "A smoke test: it has no verdicts." in page


def test_the_page_says_what_a_mixture_came_to_count() -> None:
    one = row("general", shifted(0.0, 3))
    seeds = [{"deep.0": {"identity": share, "self": 1 - share}} for share in (0.2, 0.3, 0.4)]
    page = markdown(study({**one, "shares": seeds}, row("se", shifted(0.0))))
    assert "### What `general` came to mix" in page and "over 3 seeds" in page
    assert "|  | identity | self |" in page
    line = next(line for line in page.splitlines() if line.startswith("| `deep.0`"))
    assert [cell.split()[0] for cell in line.split("|")[2:4]] == ["30.0", "70.0"]


def test_the_front_page_has_the_best_that_attends(tmp_path: Path) -> None:
    """Not the one with the least error of all, whose map is not shown to be the reason."""
    rows = [
        row("se", shifted(-0.05), mean=0.2, foreign=0.3),
        row("split", shifted(-0.07), mean=0.0, foreign=0.0),
    ]
    path = tmp_path / "studies" / "soft.json"
    path.parent.mkdir()
    path.write_text(json.dumps(study(*rows)))
    assert "CNN with a soft block: `soft-long,block=se` | digits cluttered | 5.2 [" in best(
        tmp_path
    )


def test_the_front_page_says_where_none_attends(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "soft.json"
    path.parent.mkdir()
    path.write_text(json.dumps(study(row("split", shifted(-0.07), mean=0.0, foreign=0.0))))
    page = best(tmp_path)
    assert "`soft-long,block=split` |" in page and "; over all 1 blocks: helps |" in page
