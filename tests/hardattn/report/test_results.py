"""A result is one record, whichever format it was written in."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.commands.tables import RESULTS
from hardattn.experiments.recipe import said
from hardattn.experiments.records.committed import pretty, upgrade
from hardattn.report import results
from hardattn.report.render.markdown import markdown
from hardattn.report.results import FORMAT, record, upgraded
from hardattn.report.rows import tables
from hardattn.report.runs import ReportError, read
from tests.support.runs import write_run, write_soft


def committed() -> list[dict[str, Any]]:
    """The first seed of every committed result."""
    return [json.loads(path.read_text())[0] for path in sorted(RESULTS.glob("*.json"))]


def older(result: dict[str, Any]) -> dict[str, Any]:
    """A result as format 1 had it."""
    old = {key: value for key, value in result.items() if key != "origin"}
    command = result["command"].replace("hardattn train ", "python -m experiments.run ", 1)
    return {**old, "format": 1, "command": command}


def test_formats_of_one_run_give_equal_records(tmp_path: Path) -> None:
    folders = [write_run(tmp_path, "ram", 0), write_soft(tmp_path, 0, 0.2, "se")]
    for folder in folders:
        old = older(json.loads((folder / "result.json").read_text()))
        new = json.loads(json.dumps(upgraded(old)))
        assert new["format"] == FORMAT and new["command"].startswith("hardattn train ")
        assert upgraded(new) == new
        assert asdict(record(old)) == asdict(record(new))
        texts = []
        for stored in (old, new):
            (folder / "result.json").write_text(json.dumps(stored))
            texts.append(markdown(tables(read([folder]))))
        assert texts[0] == texts[1]
    assert record(new).origin == {"recipe": "soft", "overrides": {"block": "se"}}


def test_every_committed_result_says_which_recipe_it_is_of() -> None:
    for stored in committed():
        one = record(stored)
        assert one.origin["recipe"] == one.name.split(",")[0]
        changed = {f"{key}={value}" for key, value in one.origin["overrides"].items()}
        assert changed == set(one.name.split(",")[1:])
        assert one.command.startswith(f"hardattn train {one.origin['recipe']}")
        for key, value in one.origin["overrides"].items():
            assert one.recipe[key] == (said(value) if key == "agent" else value), one.name
        assert asdict(record(json.loads(json.dumps(one.stored)))) == asdict(one)


def test_settings_and_flags_have_the_names_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RENAMED", {"trace": "gae_lambda"})
    old = {
        "format": 1,
        "command": "python -m experiments.sb3 ppo --trace 0.9 --seed 3",
        "recipe": {"trace": 0.9, "lr": 0.1},
    }
    new = upgraded(old)
    assert new["command"] == "hardattn train sb3-ppo --gae-lambda 0.9 --seed 3"
    assert new["recipe"] == {"gae_lambda": 0.9, "lr": 0.1}
    assert new["origin"] == {"recipe": "sb3-ppo", "overrides": {"gae_lambda": 0.9}}


def test_a_command_that_nobody_knows_has_no_recipe(tmp_path: Path) -> None:
    for command in ("make it", "hardattn train", "hardattn train 'x"):
        assert upgraded({"format": 1, "command": command, "recipe": {}})["origin"] == {}


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "ram", 0)
    stored = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**stored, "format": 3}))
    with pytest.raises(ReportError, match="format 3, and this version reads 1 and 2"):
        read([folder])


def test_files_are_brought_to_the_format_of_today(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    for stored in committed()[:20]:
        text = pretty([older(stored)]) + "\n"
        (tmp_path / "before" / f"{stored['name']}.json").write_text(text)
    before = read([tmp_path / "before"])
    assert len(upgrade(tmp_path / "before")) == 20 and not upgrade(tmp_path / "before")
    after = read([tmp_path / "before"])
    assert [asdict(group.first) for group in after] == [asdict(group.first) for group in before]
    stored = json.loads((tmp_path / "before" / f"{after[0].name}.json").read_text())
    assert stored[0]["format"] == FORMAT and stored[0]["origin"]["recipe"]
