"""Any agent, shown any picture: what is kept of it is what the agent does in evaluation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hardattn.agents import RAM, SoftAgent
from hardattn.attention import BLOCKS
from hardattn.data.own import array_of
from hardattn.evaluation.evaluate import evaluate
from hardattn.looking.look import Subject, look_at, scene_of, subject_of
from hardattn.sensors import Retina
from hardattn.tasks import Classify, Sequence
from hardattn.world import World
from tests.support.agents import EVERYONE, SIDE, TOLD, build

PICTURE = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
NAMES = tuple("0123456789")
BLIND = [who for who in EVERYONE if who not in TOLD]


def subject(who: str) -> Subject:
    agent, world = build(who)
    return subject_of(agent, world, (1, SIDE, SIDE), NAMES, who)


def test_whom_a_picture_does_not_tell_what_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="which no picture says by itself"):
        look_at(subject("agent stacked_cross_attention"), PICTURE)


@pytest.mark.parametrize("who", BLIND)
def test_whoever_looks_does_as_in_evaluation(who: str) -> None:
    one = subject(who)
    found = look_at(one, PICTURE, seed=3, saliency=False)
    first = one.world.first(found.scenes, torch.Generator().manual_seed(3))
    wanted = evaluate(one.agent, one.world, found.scenes, one.draw, 3, first=first)
    assert torch.equal(found.columns.log_probability, wanted.log_probability)
    assert torch.equal(found.columns.location.nan_to_num(9), wanted.location.nan_to_num(9))
    assert torch.allclose(found.belief.sum(1), torch.ones(found.looks))
    shares = [share for _, share in found.best(10)]
    assert shares == sorted(shares, reverse=True) and {name for name, _ in found.best(10)} <= {
        *NAMES,
        *(f"cluster {number}" for number in range(10)),
    }


def test_glimpses_are_those_that_the_world_shows() -> None:
    one = subject("ram gru")
    found = look_at(one, PICTURE, saliency=False)
    view = one.world.open(found.scenes)
    for number in range(found.looks):
        seen = one.world.observe(view, found.places[number : number + 1], number)
        assert torch.equal(seen.glimpse[0], found.glimpses[number])


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "none"])
def test_every_block_has_its_maps_by_name(name: str) -> None:
    torch.manual_seed(0)
    agent = SoftAgent((3, 24, 24), 4, block=BLOCKS[name].make)
    found = look_at(subject_of(agent, image=(3, 24, 24), answers="abcd"), PICTURE, saliency=True)
    names = [one.name for one in found.maps]
    assert names[-2:] == ["Grad-CAM", "occlusion"] and len({*names}) == len(names)
    for one in found.maps:
        assert one.density.dim() == 2 and torch.isfinite(one.density).all(), one.name


def test_any_classifier_will_do() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    net(torch.zeros(1, 3, 16, 16))
    found = look_at(subject_of(net, image=(3, 16, 16), answers=("a", "b", "c")), PICTURE)
    assert [one.name for one in found.maps] == ["Grad-CAM", "occlusion"] and found.looks == 1
    assert found.best(1)[0][0] in "abc"


def shown(kind: str, path: Path) -> Any:
    array = np.random.default_rng(1).integers(0, 256, (9, 13, 3), np.uint8)
    grey = array[..., 0]
    Image.fromarray(array).save(path)
    return {
        "path": path,
        "str": str(path),
        "pillow": Image.fromarray(array),
        "array": array,
        "tensor": torch.from_numpy(array).movedim(2, 0),
        "float": torch.from_numpy(array).movedim(2, 0) / 255,
        "batch": torch.from_numpy(array).movedim(2, 0)[None],
        "grey": np.repeat(grey[..., None], 3, -1),
    }[kind]


@pytest.mark.parametrize("kind", "path str pillow array tensor float batch".split())
def test_a_picture_may_be_given_in_any_form(kind: str, tmp_path: Path) -> None:
    array, _ = array_of(shown(kind, tmp_path / "a.png"))
    wanted, _ = array_of(shown("array", tmp_path / "b.png"))
    assert array.dtype == np.uint8 and np.array_equal(array, wanted)


@pytest.mark.parametrize(
    "given, words",
    [
        (np.zeros((2, 3, 4, 5), np.uint8), "a picture is"),
        (np.zeros((4, 5, 7), np.uint8), "a picture is"),
        (np.full((4, 5), 3.0), r"\[0, 1\]"),
        (np.zeros((4, 5), np.int64), "uint8"),
    ],
)
def test_what_is_no_picture_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        array_of(given)


def test_what_was_done_to_it_is_said(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "photo.png")
    scenes, said = scene_of((1, 12, 12), tmp_path / "photo.png", "crop")
    assert said == ("photo.png, 50 x 37 pixels, in grey, cropped to 12 x 12")
    assert scenes.image.shape == (1, 1, 12, 12) and scenes.image.dtype == torch.uint8
    same, _ = scene_of((3, 37, 50), PICTURE)
    assert np.array_equal(same.image[0].movedim(0, 2), PICTURE)
    inked, said = scene_of((3, 37, 50), PICTURE, paper=True)
    assert said == "a picture, 50 x 37 pixels, ink of it in white"
    assert torch.equal(inked.image[:, :1].expand(1, 3, 37, 50), inked.image)


def test_who_cannot_be_shown_a_picture_says_why() -> None:
    agent = RAM((1, 4, 4), 3)
    world = World(Retina(4), Sequence(3), 6)
    with pytest.raises(ValueError, match="sequences"):
        look_at(subject_of(agent, world, (1, 9, 9)), PICTURE)
    told = World(Retina(4), Classify(3), 2, first="target")
    with pytest.raises(ValueError, match="target"):
        look_at(subject_of(agent, told, (1, 9, 9)), PICTURE)
    with pytest.raises(ValueError, match="image="):
        subject_of(agent)
    with pytest.raises(ValueError, match="letterbox"):
        scene_of((1, 9, 9), PICTURE, "stretch")
    with pytest.raises(ValueError, match="channels"):
        scene_of((4, 9, 9), PICTURE)
