"""The animations of gallery.md: `python docs/gallery.py` draws them anew into docs/images.

They are of the agents that come with hardattn, on test scenes of the problem that each was trained
on, so that they can be drawn from a checkout alone.
"""

from pathlib import Path

import hardattn
from hardattn.data import load
from hardattn.experiments.build import built
from hardattn.experiments.revive import recipe_of
from hardattn.experiments.sharing import handed_on
from hardattn.experiments.sharing.shipped import SHIPPED
from hardattn.looking.look import look_at
from hardattn.scenes import fixed_scenes
from hardattn.viz.looks import frames, gif

IMAGES = Path(__file__).resolve().parent / "images"
# Whose animation, and of which test scene.
SHOWN = {
    "ram-digits": 5,
    "ram-cluttered-digits": 5,
    "random-cluttered-digits": 5,
    "draw-digits,hidden=128": 5,
    "sat-soft-digits": 5,
    "reinforced-digits": 5,
    "soft-long,block=cbam": 5,
    "cnn-digits": 5,
}


def draw(name: str, number: int) -> bytes:
    """The animation of one test scene."""
    subject = hardattn.load(name)
    problem = recipe_of(handed_on.config_of(SHIPPED / name), name).problem
    data = load(problem.dataset)
    make = built(problem, data.classes, data.test.images.shape[1:]).make
    scenes = fixed_scenes(make, data.test, problem.test_seed)
    return gif(frames([look_at(subject, scenes.image[number], seed=number)]))


if __name__ == "__main__":
    for name, number in SHOWN.items():
        path = IMAGES / f"look-{name.partition(',')[0]}.gif"
        path.write_bytes(draw(name, number))
        print(f"{path.stat().st_size:>9,}  {path}")
