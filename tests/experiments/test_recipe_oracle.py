"""Oracles: whoever answers, and whatever it is told, all looks fall on the target."""

import pytest
import torch

from hardattn.data import load
from hardattn.experiments import run
from hardattn.experiments.build import built
from hardattn.experiments.recipe import UNBOXED
from hardattn.experiments.recipes import RECIPES
from hardattn.rollout import greedy, rollout

# But where a file of the user's own says where the target is.
ORACLES = [
    name
    for name, recipe in RECIPES.items()
    if name.startswith("oracle-") and recipe.problem.scene.name not in UNBOXED
]
CELL = 0.5  # of a cell's side, at most, between its centre and what lies in it


@pytest.mark.parametrize("name", ORACLES)
def test_all_looks_of_an_oracle_fall_on_the_target(name: str) -> None:
    recipe = RECIPES[name]
    dataset = load("digits", None, torch.device("cpu"))
    image = tuple(dataset.train.images.shape[1:])
    world, make, _ = built(recipe.problem, dataset.classes, image)
    scenes = make(dataset.train, torch.arange(6), torch.Generator().manual_seed(3))
    agent = run.build(recipe, world, scenes.shape)
    assert world.sees(scenes.shape) == "is told where the target is"
    looked = rollout(agent, world, scenes, greedy, torch.Generator().manual_seed(0))
    places = world.path(looked.location)
    grid = [getattr(world.sensor, side, None) for side in ("columns", "rows")]
    for place in places[1:]:
        if grid[0] is None:
            assert torch.allclose(world.point(place), scenes.centre.to(place), atol=1e-5)
            continue
        cells = torch.tensor(grid)
        density = world.sensor.density(place).flatten(-2)
        target = world.sensor.density(world.sensor.at(scenes.centre)).flatten(-2)
        assert (density * target).sum(-1).gt(0).all()
        far = (world.point(place) - scenes.centre).abs() * cells / 2
        # Of several cells, those around it: on a border they lie to one side.
        assert (far <= CELL * density.gt(0).sum(-1, keepdim=True)).all()
