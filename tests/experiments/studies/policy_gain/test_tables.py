"""The committed table of policy gains says what its seeds say."""

import json
from pathlib import Path

from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.committed import RESULTS
from hardattn.experiments.studies.policy_gain.tables import markdown, measured, save
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
    kinds = [line.split("**")[1] for line in lines if "**" in line]
    assert kinds == [
        "digits cluttered, through a map of everything, against the mean map",
        "of no recipe of today",
    ]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "**" not in line]
    assert [row[1] for row in cells] == ["`soft`", "`sure`", "`unsure`"]  # one seed has no interval
    soft, sure, unsure = cells
    assert sure[4:6] == ["+50.0 [+50.0, +50.0]", "better than random"] and sure[2] == "3"
    # 20 and 30 points: no more than two seeds can tell.
    assert unsure[4].startswith("+25.0 [−38.5, ") and unsure[5] == "no better than random"
    assert unsure[11] == "−5.0" and unsure[6] == "–"
    assert soft[5] == "worse than the mean map" and soft[12] == "+20.0"


def test_gains_stand_beside_those_of_their_kind(tmp_path: Path) -> None:
    """The largest gain of all is no better than that of another kind, whose looks cost less."""
    names = ("sat-soft-digits", "ram-digits", "dram-digits", "ram-mnist,looks=4", "ram-fashion")
    done = [
        entry(name, [0.1, 0.1], {"random": [0.9 - 0.1 * at, 0.9 - 0.1 * at]})
        for at, name in enumerate(names)
    ]
    save(done, tmp_path / "gain.json")
    lines = markdown(json.loads((tmp_path / "gain.json").read_text())).splitlines()[2:]
    heads = ["digits translated, through a window", "digits translated, through weights over cells"]
    heads += ["fashion_mnist plain, through a window", "mnist plain, through a window"]
    assert [line.split("**")[1] for line in lines if "**" in line] == heads
    assert [line.split("`")[1] for line in lines if "`" in line] == [
        *("ram-digits", "dram-digits", "sat-soft-digits", "ram-fashion", "ram-mnist,looks=4"),
    ]


def test_what_is_saved_of_others_stays(tmp_path: Path) -> None:
    path = tmp_path / "gain.json"
    save([entry("one", [0.1], {"random": [0.2]}), entry("two", [0.1], {"random": [0.3]})], path)
    save([entry("two", [0.1], {"random": [0.4]})], path)
    found = {one["name"]: one["swaps"] for one in json.loads(path.read_text())["agents"]}
    assert found.keys() == {"one", "two"} and found["one"]["random"][0]["error"] == 0.2
    assert found["two"]["random"][0]["error"] == 0.4


def test_every_committed_gain_is_of_a_recipe() -> None:
    """Its name says of which: no recipe that was renamed is meant by its old name."""
    for gain in measured(RESULTS).values():
        assert gain.name in RECIPES
        if gain.name == "ram-learned-baseline-digits":
            file = json.loads((RESULTS / f"{gain.name}.json").read_text())
            own = [one["own"]["error"] for one in gain.found]
            assert own == [one["figures"]["greedy"]["error"] for one in file]
