"""The committed table of policy gains says what its seeds say."""

import json
from pathlib import Path

from hardattn.experiments.studies.policy_gain.tables import markdown, save
from hardattn.report.policy_gain import Gain


def entry(name: str, own: list[float], swaps: dict[str, list[float]]) -> Gain:
    """An agent with these errors."""

    def one(error: float) -> dict[str, float | None]:
        return {"error": error, "hit": None, "nll": None}

    found = [
        {
            "own": one(error),
            "swaps": {key: one(errors[at]) for key, errors in swaps.items()},
            "left_out": {"raster": "a reason"},
            "retrained": {"order": "centre", "error": 0.5, "folder": "there"} if at else None,
        }
        for at, error in enumerate(own)
    ]
    return Gain(name, f"the {name}", tuple(range(len(own))), tuple(found), ())


def test_the_committed_table_says_what_the_seeds_say(tmp_path: Path) -> None:
    done = [
        entry("unsure", [0.1, 0.2], {"random": [0.3, 0.5], "oracle": [0.05, 0.15]}),
        entry("sure", [0.10, 0.11, 0.12], {"random": [0.60, 0.61, 0.62], "mean": [0.1, 0.1, 0.1]}),
        entry("alone", [0.1], {"random": [0.9]}),
        entry("control", [0.3, 0.3], {"random": [0.4, 0.4]})._replace(script="random"),
        entry("soft", [0.2, 0.2], {"mean": [0.1, 0.1], "foreign": [0.4, 0.4]}),
    ]
    save(done, tmp_path / "gain.json")
    found = json.loads((tmp_path / "gain.json").read_text())
    assert [one["seeds"] for one in found["agents"]] == [[0, 1], [0, 1, 2], [0], [0, 1], [0, 1]]
    assert found["agents"][0]["retrained"] == [None, {"order": "centre", "error": 0.5}]
    _, _, *lines, blank, said = markdown(found).splitlines()
    assert blank == "" and "one draw that all agents and seeds share" in said
    for agent in found["agents"]:
        agent["draws"] = 5
    assert markdown(found).splitlines()[-1].startswith("Random looks, and the paths of other")
    assert "mean of 5 draws" in markdown(found) and "one draw" not in markdown(found)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[1] for row in cells] == ["`sure`", "`unsure`", "`soft`"]  # one seed has no interval
    sure, unsure, soft = cells
    assert sure[4:6] == ["+50.0 [+50.0, +50.0]", "better than random"] and sure[2] == "3"
    # 20 and 30 points: no more than two seeds can tell.
    assert unsure[4].startswith("+25.0 [−38.5, ") and unsure[5] == "no better than random"
    assert unsure[11] == "−5.0" and unsure[6] == "–"
    assert soft[5] == "worse than the mean map" and soft[12] == "+20.0"
