"""What TensorBoard shows, read back by its own reader and its own Custom Scalars page."""

import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import custom_scalars_plugin
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.scalar import scalars_plugin

from hardattn.agents import RAM, FullView, MeanPool, ShowAttendTell, SoftAgent, no_block
from hardattn.attention import BLOCKS
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import compute
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, Retina, Whole
from hardattn.tasks import Classify
from hardattn.training.log import Log
from hardattn.training.tracking import LAYOUT
from hardattn.viz import tensorboard as board
from hardattn.viz.pictures import scale
from hardattn.world import World
from tests.support.handmade import columns, looking
from tests.support.runs import CLASSES, IMAGE, scenes

LOOKS = 3
UNSET: dict[str, Any] = {"rho": None, "clip": math.inf}


def whole(agent: Any) -> Columns:
    return evaluate(agent, World(Whole(), Classify(CLASSES), 1, "centre"), scenes())


def watched(kind: str) -> tuple[Columns, dict[str, Any]]:
    """What an untrained agent did, and what its log must know of it."""
    torch.manual_seed(0)
    if kind == "hard":
        sensor = Retina(4, 2)
        agent = RAM(sensor.shape(IMAGE), CLASSES, hidden=8, what=8, where=8)
        return evaluate(agent, World(sensor, Classify(CLASSES), LOOKS), scenes()), {
            "retina": (4, 2)
        }
    if kind == "cells":
        world = World(Cells(3, 3), Classify(CLASSES), LOOKS, "random", "whole")
        net = ShowAttendTell((1, 4, 5), CLASSES, context=IMAGE, looks=LOOKS, features=8, hidden=8)
        return evaluate(net, world, scenes()), {}
    blocks = {"soft": BLOCKS["cbam"].make, "stochastic": BLOCKS["bayesian_weibull"].make}
    if kind in blocks:
        return whole(SoftAgent(IMAGE, CLASSES, block=blocks[kind], head=MeanPool, width=16)), {}
    if kind == "none":
        return whole(SoftAgent(IMAGE, CLASSES, block=no_block, head=MeanPool, width=16)), {}
    return whole(FullView(IMAGE, CLASSES, net="mlp")), {}


PICTURES = {
    "hard": {"looks", "places", "reliability"},
    "cells": {"looks", "places", "maps/attention", "reliability"},
    "soft": {"maps/attention", "maps/activation", "reliability"},
    "stochastic": {"maps/attention", "maps/activation", "reliability"},
    "none": {"maps/activation", "reliability"},
    "mlp": {"reliability"},
}


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two validations of each kind of agent, all under one folder."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in PICTURES:
        found, options = watched(kind)
        log = Log(folder / kind, kind, quiet=True, **options)
        log.start(0, 200)
        for seen in (100, 200):
            log.training(seen, seen / 50, {"loss": 1.5})
            log.validation(seen, {"loss": 1.5}, compute(found), found, scenes())
        table = compute(found)
        measured = {f"test/{k}": v for k, v in table.items() if isinstance(v, float | list)}
        log.finish({"lr": 0.01, "agent": kind} | UNSET, measured, {"lr", "agent", *UNSET})
        log.close()
    return folder


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


@pytest.mark.parametrize("kind", list(PICTURES))
def test_each_kind_of_agent_has_its_pictures_at_each_validation(top: Path, kind: str) -> None:
    found = read(top / kind)
    assert set(found.Tags()["images"]) == PICTURES[kind]
    for tag in PICTURES[kind]:
        events = found.Images(tag)
        assert [event.step for event in events] == [100, 200]
        picture = np.asarray(Image.open(io.BytesIO(events[0].encoded_image_string)))
        assert picture.shape[2] == 3 and picture.std() > 5, tag


def test_curves_have_one_name_whoever_looks(top: Path) -> None:
    tags = {kind: set(read(top / kind).Tags()["scalars"]) for kind in PICTURES}
    of_all = set.intersection(*tags.values())
    for name in ("error", "nll", "brier", "ece", "aurc", "looks"):
        assert {f"validation/{name}", f"test/{name}"} <= of_all
    assert {"training/loss", "error_after_look/01", "test/error_after"} <= of_all
    for kind in ("hard", "cells", "soft", "stochastic"):
        assert "validation/looked" in tags[kind], kind
    assert "validation/hit" in tags["hard"] and "validation/hit" not in tags["soft"]


def test_the_error_after_each_look_has_looks_across(top: Path) -> None:
    wanted = compute(watched("hard")[0])["error_after"]
    assert isinstance(wanted, list)
    events = read(top / "hard").Scalars("test/error_after")
    assert [event.step for event in events] == [1, 2, 3]
    assert [event.value for event in events] == pytest.approx(wanted)


def test_places_are_those_that_were_chosen(top: Path) -> None:
    found = read(top / "hard")
    assert {"places/x", "places/y"} <= set(found.Tags()["histograms"])
    assert found.Histograms("places/x")[0].histogram_value.num == len(scenes()) * (LOOKS - 1)
    assert not read(top / "soft").Tags()["histograms"]


def test_settings_stand_beside_the_final_figures(top: Path) -> None:
    found = read(top / "soft")
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(found.summary_metadata)
    (final,) = found.Scalars("test/error")
    assert final.value == pytest.approx(compute(watched("soft")[0])["error"])
    table = found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    for name, value in {"lr": 0.01, "agent": "soft", **UNSET}.items():
        assert f"| {name} | {value} |" in table


def test_settings_that_are_not_set_are_no_hyperparameters(tmp_path: Path) -> None:
    log = Log(tmp_path, quiet=True)
    log.start(0, 10)
    given = {"lr": 0.1, "core": "gru", "each": True, "decay": 0.0, "batch": 256, **UNSET}
    log.finish(given, {"test/error": 0.5})
    log.close()
    assert hyperparameters(tmp_path) == {
        **{"lr": 0.1, "core": "gru", "each": 1.0, "decay": 0.0, "batch": 256.0}
    }


def hyperparameters(folder: Path) -> dict[str, Any]:
    """Those that the HParams page reads there."""
    stored = read(folder).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = plugin_data_pb2.HParamsPluginData.FromString(stored).session_start_info.hparams
    return {name: getattr(one, one.WhichOneof("kind")) for name, one in told.items()}


def test_speed_is_that_since_the_last_point(top: Path) -> None:
    events = read(top / "soft").Scalars("training/images_per_second")
    assert [event.value for event in events] == pytest.approx([50, 50])


def test_what_was_told_at_the_end_is_there_once_however_often(tmp_path: Path) -> None:
    """As if killed between the last word and the result, twice."""
    for error in (0.5, 0.4, 0.3):
        log = Log(tmp_path, quiet=True)
        log.start(100, 100)
        log.finish({"lr": error}, {"test/error": error, "test/error_after": [0.9, error]})
        log.close()
    found = read(tmp_path)
    assert [(one.step, one.value) for one in found.Scalars("test/error")] == [
        (100, pytest.approx(0.3))
    ]
    assert [one.step for one in found.Scalars("test/error_after")] == [1, 2]
    assert len(found.Tensors("settings/text_summary")) == 1
    assert hyperparameters(tmp_path) == {"lr": 0.3}


def test_hard_and_soft_stand_on_one_chart(top: Path) -> None:
    """As the page asks: one layout for all runs; a chart's tags, as patterns, run by run."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(top))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(top))
    plugins: dict[str, Any] = {}
    context = TBContext(
        logdir=str(top),
        data_provider=provider,
        plugin_name_to_instance=plugins,
        flags=SimpleNamespace(),
    )
    plugins["scalars"] = scalars_plugin.ScalarsPlugin(context)
    page = custom_scalars_plugin.CustomScalarsPlugin(context)
    asked = RequestContext()

    shown = json.loads(page.layout_impl(asked, ""))["category"]
    assert [each["title"] for each in shown] == list(LAYOUT)
    for category in shown:
        charts = {each["title"]: each["multiline"]["tag"] for each in category["chart"]}
        assert charts == {title: tags for title, (_, tags) in LAYOUT[category["title"]].items()}
        for title, (tag,) in charts.items():
            curves = {
                kind: page.scalars_impl(asked, kind, tag, "")["tag_to_events"] for kind in PICTURES
            }
            having = {kind for kind, each in curves.items() if each}
            if title == "share of looks that hit":
                assert having == {"hard", "cells"}
            elif title == "looked at the target":
                assert having == {"hard", "cells", "soft", "stochastic"}
            else:
                assert having == set(PICTURES), title
            one = 1 if category["title"] != "each look" else LOOKS
            assert len(curves["hard"]) == one and all(curves["hard"].values())


def test_a_map_is_drawn_beside_its_scene() -> None:
    some = scenes(2)
    dyed = (
        some.image.expand(-1, 3, -1, -1) * torch.tensor([1, 0, 0], dtype=torch.uint8)[:, None, None]
    )
    density = torch.zeros(2, 4, 5)
    density[0, 1, 2] = 0.001  # each scene by its own mean
    density[1] = 0.3
    nowhere = torch.full((2, 1, 2), torch.nan)
    found = looking(nowhere)
    picture = board.map_sheet(Scenes(dyed, *some[1:]), density, found, side=150)
    bare = board.map_sheet(Scenes(dyed, *some[1:]), torch.zeros(2, 4, 5), found, side=150)
    # Scenes of 12x15 pixels are 120 high and 150 wide, and what is drawn of them knows no map.
    wide, inner = 150 + board.GAP, (slice(12, -12), slice(12, -12))
    for left in (0, wide + 150 + 3 * board.GAP):
        scene, map_ = (
            picture[:120, left : left + 150],
            picture[:120, left + wide : left + wide + 150],
        )
        assert np.array_equal(scene, bare[:120, left : left + 150])
        assert not scene[inner][..., 1:].any() and scene[inner].any()  # red as it was
        cells = map_[inner].reshape(-1, 3)
        if not left:
            tile = (
                map_.reshape(4, 30, 5, 30, 3)[:, 5:-5, :, 5:-5].astype(float).sum(-1).mean((1, 3))
            )
            assert np.unravel_index(tile.argmax(), tile.shape) == (1, 2)
            assert (map_[35:55, 65:85] == scale()[-1]).all()
        else:  # a flat one is one colour, a quarter of the way up
            assert (cells == scale()[64]).all()
    # Below them the scale, from its first colour to its last.
    bar = picture[-30]
    assert (bar == scale()[2]).all(1).any() and (bar == scale()[-3]).all(1).any()


def axes_of(picture: Any) -> Any:
    """Whether a pixel has a colour of the scale, within the axes of a picture of places."""
    known = {tuple(colour) for colour in scale().tolist()}
    inside = np.array([[tuple(pixel) in known for pixel in row] for row in picture.tolist()])
    inside[:, : picture.shape[1] // 8] = False
    inside[:, 4 * picture.shape[1] // 5 :] = False  # the bar
    down, across = inside.any(1).nonzero()[0], inside.any(0).nonzero()[0]
    return picture[down.min() : down.max() + 1, across.min() : across.max() + 1]


@pytest.mark.parametrize("x, y", [(1.0, -1.0), (-0.5, 0.25), (0.0, 0.9)])
def test_places_are_where_they_are(x: float, y: float) -> None:
    place = torch.tensor([[[0.0, 0.0], [x, y]]])
    inner = axes_of(board.places_picture(looking(place)))
    rows, columns_ = (inner == scale()[-1]).all(2).nonzero()
    cell = inner.shape[0] / board.CELLS
    assert np.median(columns_) == pytest.approx((x + 1) / 2 * inner.shape[1], abs=cell + 1)
    assert np.median(rows) == pytest.approx((y + 1) / 2 * inner.shape[0], abs=cell + 1)
    assert len(rows) < 3 * cell**2


def test_even_places_are_one_colour_and_not_black() -> None:
    side = torch.linspace(-1, 1, 2 * board.CELLS + 1)[1::2]
    grid = torch.cartesian_prod(side, side)[:, None]
    even = torch.cat([torch.zeros_like(grid), grid], 1)
    inner = axes_of(board.places_picture(looking(even)))
    colours = {tuple(pixel) for pixel in inner[4:-4, 4:-4].reshape(-1, 3).tolist()}
    assert colours == {tuple(scale()[64].tolist())}  # 1 of 15 times even: a quarter of the way


def test_places_beyond_the_image_are_drawn_outside_its_outline() -> None:
    place = torch.tensor([[[0.0, 0.0], [1.4, 0.0]], [[0.0, 0.0], [0.0, 90.0]]])
    inner = axes_of(board.places_picture(looking(place)))
    white = (inner == 255).all(2)
    left, right = (white.sum(0) > inner.shape[0] / 2).nonzero()[0][[0, -1]] / inner.shape[1]
    edge = (board.BEYOND - 1) / 2 / board.BEYOND
    assert (left, right) == pytest.approx((edge, 1 - edge), abs=0.03)
    rows, columns_ = (inner == scale()[-1]).all(2).nonzero()
    assert columns_.max() / inner.shape[1] > 0.93 and rows.max() > inner.shape[0] - 4


def test_a_diverged_net_is_drawn_too(tmp_path: Path) -> None:
    lost = columns(log_probability=torch.full((4, 2, 4), torch.nan))
    log = Log(tmp_path, quiet=True)
    log.start(0, 10)
    log.validation(10, {"loss": float("nan")}, compute(lost), lost, scenes(4))
    log.close()
    assert "reliability" in read(tmp_path).Tags()["images"]


@pytest.mark.parametrize("tracked", [("csv",), ("csv", "tensorboard")])
def test_pictures_are_drawn_where_somebody_keeps_them(
    tracked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw = [], board.reliability_picture
    monkeypatch.setattr(board, "reliability_picture", lambda of: drawn.append(of) or draw(of))
    found = columns()
    log = Log(tmp_path, quiet=True, tracked=tracked)
    log.start(0, 10)
    log.validation(10, {"loss": 1.5}, compute(found), found, scenes(4))
    log.close()
    assert len(drawn) == ("tensorboard" in tracked)
