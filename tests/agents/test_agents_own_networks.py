"""Agents with networks of one's own in them, in Python and on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hardattn
from hardattn.agents import RAM, SoftAgent
from hardattn.agents.soft import placement
from hardattn.attention import BLOCKS
from hardattn.evaluation import cost
from hardattn.experiments.cli import main
from hardattn.looking.look import look_at, subject_of
from hardattn.nn.networks import Placed
from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.networks import NETWORKS, ResNet, encoder

TINY = "--images 64 --batch-size 32 --validate-every 64 --test-draws 1 --device cpu".split()


def scenes(shape: tuple[int, int, int], count: int = 3) -> Scenes:
    images = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0))
    nought = torch.zeros(count, dtype=torch.int64)
    return Scenes(images.to(torch.uint8), nought, torch.full((count, 1, 4), torch.nan), nought)


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_is_a_backbone_with_its_maps_by_name(name: str) -> None:
    shape = (3, 16, 16)
    torch.manual_seed(0)
    agent = SoftAgent(shape, 4, backbone=NETWORKS[name][0], block=BLOCKS["cbam"].make)
    found = look_at(subject_of(agent, image=shape, answers="abcd"), scenes(shape, 1).image)
    named = [one for one in found.maps if "block" in one.name]
    if name == "cut":
        assert [one.name for one in named] == [
            f"features.net.layer{stage}.{unit}.bn2.block.{part}"
            for stage in (1, 2)
            for unit in (0, 1)
            for part in ("channel", "spatial")
        ]
    assert named and {one.name for one in found.maps} >= {"head", "Grad-CAM", "occlusion"}


def test_a_ram_sees_through_an_encoder_of_ones_own() -> None:
    torch.manual_seed(0)
    sensor = Retina(6, 2)
    world = World(sensor, Classify(5), 3)
    agent = RAM(sensor.shape((1, 24, 24)), 5, encoder=encoder, hidden=16)
    path = rollout(agent, world, scenes((1, 24, 24)), generator=torch.Generator().manual_seed(0))
    path.loss.sum().backward()
    assert all(weight.grad is not None for weight in agent.glimpse.parameters())
    assert agent.glimpse.net[0].weight.shape == (8, 2, 3, 3)


def test_what_cannot_go_together_is_said() -> None:
    with pytest.raises(ValueError, match="leave out weights"):
        SoftAgent((3, 16, 16), 4, backbone=ResNet, weights=60_000)
    with pytest.raises(ValueError, match="has learned nothing"):
        SoftAgent((3, 16, 16), 4, frozen=True)
    with pytest.raises(ValueError, match="a function that makes it"):
        RAM((1, 4, 4), 3, encoder="mine:make")


@pytest.mark.parametrize(
    "words, part",
    [
        (
            ["soft", "--backbone", "mine:make", "--weights", "None", "--block", "cbam"],
            "features.net",
        ),
        (["ram-digits", "--encoder", "mine:look"], "glimpse.net"),
    ],
)
def test_the_command_line_takes_them_by_name(
    words: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained, read back, handed on and looked through."""
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 1)
    monkeypatch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(
        "from tests.support.networks import ResNet, encoder as look\n"
        "def make(shape): return ResNet(shape[0])\n"
    )
    assert main(["train", *words, *TINY]) == 0
    (run,) = (path.parent for path in Path("runs").rglob("result.json"))
    assert "mine:" in json.dumps(json.loads((run / "result.json").read_text())["recipe"])
    subject: Any = hardattn.load(run)
    assert isinstance(subject.agent.get_submodule(part), nn.Module)
    picture, columns = hardattn.look(subject, scenes((1, 30, 40), 1).image[0])
    assert main(["export", str(run), "--out", "there"]) == 0
    again, same = hardattn.look("there", scenes((1, 30, 40), 1).image[0])
    assert (picture == again).all()
    assert torch.equal(columns.log_probability, same.log_probability)


def test_a_name_that_is_nobodys_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--backbone", "nowhere:make"], ["--backbone", "resnet"]):
        assert main(["train", "soft-folder", *words, "--dataset", "digits", *TINY]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "nowhere:make: cannot be imported" in first and "no backbone" in second


@pytest.mark.parametrize("name", ["se", "non_local", "em_attention", "axial"])
def test_a_block_stands_in_a_network_of_ones_own_where_its_class_says(name: str) -> None:
    block = BLOCKS[name].make
    torch.manual_seed(0)
    agent = SoftAgent((3, 16, 16), 4, backbone=ResNet, block=block, frozen=True)
    ends = placement(block, 8) in ("branch", "replacement")
    placed = [part for part in agent.modules() if isinstance(part, Placed)]
    assert bool(placed) == ends
    assert isinstance(agent.features.context, nn.Identity) == ends
    learns = {name for name, weight in agent.features.named_parameters() if weight.requires_grad}
    assert learns and all("context." in name or ".block." in name for name in learns)
    agent.train()
    held = placed[0].block if placed else agent.features.context
    assert held.training and not agent.features.net.training
