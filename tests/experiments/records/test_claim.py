"""What a result says of where it comes from, and of what it is compared with."""

from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records.claim import origin


def test_a_result_names_the_runs_that_are_its_controls() -> None:
    """With what was changed of the recipe, so that both were trained alike."""
    recipe = RECIPES["masks-criss-cross"]
    assert origin("masks-criss-cross", recipe)["compared_with"] == ["masks"]
    fewer = recipe.changed({"images": 64})
    told = origin("masks-criss-cross,images=64", fewer)
    assert told["compared_with"] == ["masks,images=64"]
    assert told["origin"] == {"recipe": "masks-criss-cross", "overrides": {"images": 64}}


def test_a_control_names_none() -> None:
    assert "compared_with" not in origin("masks", RECIPES["masks"])
    assert origin("no-recipe", RECIPES["masks"]) == {}
