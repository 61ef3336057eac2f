"""Each set of scenes stands on one page, and what was not run is said there."""

from pathlib import Path

import pytest

from hardattn.experiments.commands.tables import PROBLEMS, megapixel, page_of
from hardattn.experiments.recipes import RECIPES


@pytest.mark.parametrize(
    "scenes, page",
    [
        ("mnist majority, canvas 1500, pieces 50, piece 12, test seed 1", "megapixel"),
        ("mnist cluttered, canvas 60, pieces 4, test seed 1", "mnist"),
        ("fashion_mnist plain, test seed 1", "mnist"),
        ("digits translated, canvas 48, zoom 2, test seed 1", "digits"),
        ("digits cluttered, canvas 48, zoom 2, test seed 1", "cluttered"),
    ],
)
def test_the_longest_beginning_says_the_page(scenes: str, page: str) -> None:
    assert page_of(scenes) == page


def test_scenes_of_no_page_are_refused() -> None:
    with pytest.raises(ValueError, match="no page shows results on 'photos plain'"):
        page_of("photos plain")


def test_systems_that_choose_stand_beside_their_like() -> None:
    pages = {
        name: page_of(recipe.problem.scenes())
        for name, recipe in RECIPES.items()
        if name.endswith(("-megapixels", "two-level-digits", "two-level-cluttered-60"))
    }
    assert len(pages) == 14 and set(pages.values()) < PROBLEMS.keys()
    for name, page in pages.items():
        wanted = {"megapixels": "megapixel", "digits": "digits", "60": "mnist"}
        assert page == wanted[name.rpartition("-")[2]]


def test_what_nobody_ran_is_on_the_page(tmp_path: Path) -> None:
    text = megapixel(tmp_path)
    assert text.count("not run") == 24 and "attention sampling" in text
