"""Pictures of environments: the right pixels, one size, and what Gymnasium's recorders want."""

import sys
import types
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from hardattn.envs import GlimpseEnv, GlimpseVectorEnv
from hardattn.envs.rendering import GAP, SIDE, bars, beside
from hardattn.rng import apart
from hardattn.sensors import Cells, Zoom
from hardattn.viz.pictures import BOX, INK, PAPER, RIGHT, path_picture, seen_glimpses
from tests.support.envs import Drifting, problem


def has(picture: np.ndarray[Any, Any], colour: tuple[int, ...]) -> int:
    return int((picture == colour).all(-1).sum())


def test_frames_show_the_scene_its_path_the_glimpses_and_the_belief() -> None:
    env = GlimpseEnv(problem(looks=3), render_mode="rgb_array", answer="logits", reveal=True)
    env.reset(seed=0)
    stepping = env.vector.stepping
    frames, places, seen = [env.render()], [stepping.place], [stepping.seen]
    logits = np.zeros(10, np.float32)
    label = int(env.scenes.target[0])
    logits[label] = 10.0
    for x in (-0.5, 0.5):
        env.step({"location": [x, x], "answer": logits})
        frames.append(env.render())
        places.append(stepping.place)
        seen.append(stepping.seen)
    sensor, scenes = env.vector.world.sensor, env.scenes
    for look, frame in enumerate(frames):
        path = np.concatenate([place.numpy() for place in places[: look + 1]])
        scene = path_picture(scenes.image[0], path, 5, 2, scenes.box[0], side=SIDE)
        assert np.array_equal(frame[:SIDE, :SIDE], scene)
        glimpses = np.concatenate([one.glimpse.numpy() for one in seen[: look + 1]])
        blank = np.zeros((2 - look, *glimpses.shape[1:]), np.float32)
        where = torch.zeros(3, 2)
        where[: look + 1] = torch.from_numpy(path)
        corners = sensor.corners(where, (24, 24))
        given = torch.from_numpy(np.concatenate([glimpses, blank]))
        tiles = seen_glimpses(given, sensor, SIDE, corners=corners)
        left = SIDE + GAP
        assert np.array_equal(frame[: len(tiles), left : left + tiles.shape[1]], tiles)
        # The belief: nothing at first, then nearly all of it in the true answer.
        right = has(frame[:, -SIDE:], RIGHT)
        assert right < 100 if look == 0 else right > 1500
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].dtype == np.uint8 and all(side % 2 == 0 for side in frames[0].shape[:2])


def test_bars_are_as_long_as_the_answers_are_probable() -> None:
    picture = bars(["a", "b", "c"], np.array([0.5, 0.25, 0.25]), truth=1)
    assert picture.shape == (SIDE, SIDE, 3) and has(picture, PAPER) and has(picture, INK)
    wrong, right = has(picture, BOX), has(picture, RIGHT)
    assert wrong / right == pytest.approx(3, rel=0.05)
    many = bars([str(i) for i in range(55)], np.arange(55) / sum(range(55)), truth=0)
    assert not has(many, RIGHT) and has(many, BOX)  # the ten most probable only


def test_pictures_of_unequal_height_stand_next_to_each_other() -> None:
    low, high = np.zeros((3, 4, 3), np.uint8), np.full((7, 3, 3), 9, np.uint8)
    both = beside([low, high])
    assert both.shape == (8, 20, 3)
    assert (
        (both[:3, :4] == 0).all() and (both[3:, :4] == 255).all() and (both[:7, 16:19] == 9).all()
    )


def test_a_vector_shows_each_environment_on_its_own() -> None:
    """Also where they are no longer in step, and after one began anew."""
    env = GlimpseVectorEnv(problem(looks=3), 3, render_mode="rgb_array", stop=True)
    single = GlimpseEnv(problem(looks=3), render_mode="rgb_array", stop=True)
    env.reset(seed=4)
    location = np.array([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], np.float32)
    env.step({"location": location, "answer": np.array([1, 2, 3]), "stop": np.array([0, 1, 0])})
    pictures = env.render()
    assert pictures is not None and len(pictures) == 3
    for row in (0, 2):
        single.reset(seed=apart(4, 3)[row])
        single.step({"location": location[row], "answer": 1 + row, "stop": 0})
        assert np.array_equal(single.render(), pictures[row])
    single.reset(seed=apart(4, 3)[1])
    single.reset()
    assert np.array_equal(single.render(), pictures[1])
    assert GlimpseVectorEnv(problem(), 2).render() is None


@pytest.mark.parametrize("kind", ["zoom", "cells", "drifting", "Catch", "CircleSquare"])
def test_every_kind_of_world_has_a_picture(kind: str) -> None:
    given: Any = kind
    if kind[0].islower():
        sensor = Cells(3, 4) if kind == "cells" else Zoom(4)
        given = problem(sensor, kind=Drifting) if kind == "drifting" else problem(sensor)
    env = GlimpseEnv(given, render_mode="rgb_array")
    env.reset(seed=0)
    env.action_space.seed(0)
    first = env.render()
    env.step(env.action_space.sample())
    second = env.render()
    assert first.shape == second.shape and not np.array_equal(first, second)


def test_a_world_that_changes_is_shown_as_it_is() -> None:
    env = GlimpseEnv("Catch", render_mode="rgb_array")
    env.reset(seed=0)
    balls = []
    for _ in range(3):
        frame = env.render()[:SIDE, :SIDE]
        image = env.vector.world.picture(env.vector.stepping.view)[0, 0].numpy()
        balls.append(int(image.argmax()) // 24)
        assert frame.shape == (SIDE, SIDE, 3)
        env.step({"location": [1.0, 1.0, 0.0]})
    assert balls == [0, 1, 2]


def test_the_human_mode_shows_every_step_in_a_window() -> None:
    from matplotlib import pyplot

    env = gymnasium.make("hardattn/DigitsPlain-v0", render_mode="human", disable_env_checker=True)
    env.reset(seed=0)
    inner: Any = env.unwrapped
    shown = [inner._window.drawn.get_array().copy()]
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    shown.append(inner._window.drawn.get_array().copy())
    assert env.render() is None
    assert not np.array_equal(*shown)
    assert np.array_equal(shown[1], inner.vector.gallery.picture(0))
    number = inner._window.figure.number
    env.close()
    env.close()
    assert number not in pyplot.get_fignums()


def test_gymnasiums_recorder_takes_the_frames(tmp_path: Any, monkeypatch: Any) -> None:
    """What it hands to MoviePy, which need not be there."""
    taken: list[Any] = []

    class Clip:
        def __init__(self, frames: list[Any], fps: int):
            taken.append((np.stack(frames), fps))

        def write_videofile(self, path: str, **options: Any) -> None:
            taken.append(path)

    clip = types.ModuleType("moviepy.video.io.ImageSequenceClip")
    clip.ImageSequenceClip = Clip  # type: ignore[attr-defined]
    for name in ("moviepy", "moviepy.video", "moviepy.video.io"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, clip.__name__, clip)
    given = {"render_mode": "rgb_array", "looks": 3, "reveal": True}
    env = gymnasium.make("hardattn/DigitsTranslated-v0", **given)
    recorder = gymnasium.wrappers.RecordVideo(
        env, str(tmp_path / "video"), episode_trigger=lambda episode: True
    )
    recorder.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(3):
        recorder.step(env.action_space.sample())
    recorder.close()
    (frames, rate), path = taken
    assert rate == GlimpseEnv.metadata["render_fps"] and path.endswith("episode-0.mp4")
    assert frames.shape[0] == 4 and frames.shape[3] == 3
    # The last action ends it: no look, but the answer is there.
    assert not np.array_equal(frames[2], frames[3])
    assert np.array_equal(frames[2][:, :SIDE], frames[3][:, :SIDE])
