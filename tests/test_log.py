"""What TensorBoard shows, read back by its own reader and its own Custom Scalars page."""

import io
import json
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
from tensorboard.plugins.scalar import scalars_plugin

from hardattn.agents import RAM, FullView, MeanPool, ShowAttendTell, SoftAgent, no_block
from hardattn.blocks import BLOCKS
from hardattn.evaluate import Columns, evaluate
from hardattn.log import LAYOUT, Log
from hardattn.metrics import figures
from hardattn.report import board
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, Retina, Whole
from hardattn.stochastic import BLOCKS as STOCHASTIC
from hardattn.tasks import Classify
from hardattn.world import World
from tests.handmade import columns, looking
from tests.runs import CLASSES, IMAGE, scenes

LOOKS = 3


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
    blocks = {"soft": BLOCKS["cbam"], "stochastic": STOCHASTIC["bayesian_weibull"]}
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
            log.validation(seen, {"loss": 1.5}, figures(found), found, scenes())
        table = figures(found)
        measured = {f"test/{k}": v for k, v in table.items() if isinstance(v, float | list)}
        log.finish({"lr": 0.01, "agent": kind}, measured)
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
    wanted = figures(watched("hard")[0])["error_after"]
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
    assert final.value == pytest.approx(figures(watched("soft")[0])["error"])


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


def test_a_map_is_drawn_over_its_scene() -> None:
    some = scenes(2)
    black = Scenes(torch.zeros_like(some.image), *some[1:])
    density = torch.zeros(2, 4, 5)
    density[0, 1, 2] = 0.001  # each scene by its own maximum
    nowhere = torch.full((2, 1, 2), torch.nan)
    picture = board.map_sheet(black, density, looking(nowhere))
    tile = picture[:160, :200].reshape(4, 40, 5, 40, 3)[:, 12:-12, :, 12:-12].mean((1, 3, 4))
    assert np.unravel_index(tile.argmax(), tile.shape) == (1, 2) and (tile > 20).sum() == 1
    assert picture[12:148, 208 + 12 : 400].max() < 30  # an empty map is no heat


def test_places_are_where_they_are() -> None:
    place = torch.tensor([[[0.0, 0.0], [1.0, -1.0]]])
    picture = board.places_picture(looking(place))
    assert (picture == 255).all(2).nonzero()[0].max() == 7  # the cell at top right, 8 pixels wide
    assert (picture == 255).all(2).nonzero()[1].min() == 256 - 8


def test_a_diverged_net_is_drawn_too(tmp_path: Path) -> None:
    lost = columns(log_probability=torch.full((4, 2, 4), torch.nan))
    log = Log(tmp_path, quiet=True)
    log.start(0, 10)
    log.validation(10, {"loss": float("nan")}, figures(lost), lost, scenes(4))
    log.close()
    assert "reliability" in read(tmp_path).Tags()["images"]
