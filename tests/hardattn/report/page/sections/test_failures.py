"""Failures in the report: the surest wrong answers, and their maps."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hardattn import storage
from hardattn.evaluation.evaluate import Columns
from hardattn.experiments.run import failures as kept_failures
from hardattn.report.page.page import page
from hardattn.report.page.sections import failures
from hardattn.report.page.sections.gallery import attended
from hardattn.report.runs import read
from hardattn.viz.pictures import heat, peak
from tests.support.runs import write_soft
from tests.support.tables import only


def test_the_surest_wrong_answers_are_kept_and_shown(runs: Path) -> None:
    run = read([runs / "ram"])[0].runs[0]
    assert run.columns is not None and run.examples is not None
    seen: Columns = run.columns["greedy"]
    index = kept_failures(seen, 5)
    sure = seen.confidence[index, -1]
    assert not seen.correct[index, -1].any() and (sure.diff() <= 0).all() and len(index) == 5
    rest = seen.confidence[~seen.correct[:, -1], -1].sort(descending=True).values
    assert torch.equal(sure, rest[:5])
    # An older run shows those among the few scenes that it kept.
    older = failures.failures(run)
    assert not older.all and (older.scene < 8).all() and len(older.scene)
    assert torch.equal(older.image, run.examples["image"][older.scene])
    assert not seen.correct[older.scene, -1].any()

    stored = storage.read(runs / "ram" / "seed-0" / "examples.pt")
    parts = {"target": seen.target[index], "box": seen.box[index]}
    image = torch.zeros(5, 1, 12, 15, dtype=torch.uint8)
    stored["failures"] = {"index": index, "image": image, **parts}
    storage.write(runs / "ram" / "seed-0" / "examples.pt", stored)
    found = failures.failures(read([runs / "ram"])[0].runs[0])
    assert found.all and torch.equal(found.scene, index)
    text = failures.gallery(only(runs / "ram"))
    names = ["a", "b", "c", "d &amp; e"]
    for scene in index.tolist():
        answer, truth = names[int(seen.prediction[scene, -1])], names[int(seen.target[scene])]
        sure = 100 * float(seen.confidence[scene, -1])
        words = f'says <b class="wrong">{answer}</b>, is <b>{truth}</b>, {sure:.0f} % sure'
        assert f"{words}<small>scene {scene + 1}</small>" in text


def test_a_map_of_a_failure_stands_beside_it(tmp_path: Path) -> None:
    write_soft(tmp_path, 0, 0.5, head="gated_pooling")
    (row,) = only(tmp_path).rows
    found, maps = failures.failures(row.group.runs[0]), attended(row)
    assert maps is not None and len(found.scene)
    text = failures.gallery(only(tmp_path))
    sent = re.findall(r"base64,([^\"]+)", text)[:2]
    scene, drawn = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")) for one in sent
    )
    # Noise in greys has no colour but that of the frame, which is at its edge.
    inner = scene[12:-12, 12:-12]
    assert np.ptp(inner.astype(int), 2).max() < 16 and scene.shape == drawn.shape
    density = maps.density[int(found.scene[0])]
    rows, columns_ = drawn.shape[0] // density.shape[0], drawn.shape[1] // density.shape[1]
    middle = drawn[rows // 2 :: rows, columns_ // 2 :: columns_][: len(density)]
    middle = middle[:, : density.shape[1]]
    assert np.abs(middle.astype(int) - heat(density)).max() < 12  # of 96 colours
    assert f"map {peak(density).split(' times')[0]} ×</small>" in text


def test_who_is_never_wrong_has_no_failures(runs: Path) -> None:
    for name in ("ram", "random", "whole"):
        path = runs / name / "seed-0" / "columns.pt"
        stored = storage.read(path)
        found = stored["greedy"]
        truth = torch.nn.functional.one_hot(found["target"], 4)[:, None].expand_as(
            found["log_probability"]
        )
        found["log_probability"] = torch.log(truth * 0.96 + 0.01)
        storage.write(path, stored)
    assert failures.gallery(only(runs)) == ""
    assert len(kept_failures(Columns(**found), 12)) == 0
    assert "Where they were wrong" not in page(read([runs]))
