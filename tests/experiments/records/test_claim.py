"""What a result says of where it comes from, and of what it is compared with."""

from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.claim import controls_of, origin


def test_a_result_names_the_runs_that_are_its_controls() -> None:
    """With what was changed of the recipe, so that both were trained alike."""
    recipe = RECIPES["masks-criss-cross"]
    assert controls_of("masks-criss-cross", recipe) == {"compared_with": ["masks"]}
    fewer = recipe.changed({"images": 64})
    name = "masks-criss-cross,images=64"
    assert controls_of(name, fewer) == {"compared_with": ["masks,images=64"]}
    assert origin(name, fewer) == {
        "origin": {"recipe": "masks-criss-cross", "overrides": {"images": 64}}
    }


def test_a_control_names_none() -> None:
    assert controls_of("masks", RECIPES["masks"]) == {}
    assert origin("no-recipe", RECIPES["masks"]) == {}
