"""Which recipes are about which task, and what they are compared with."""

from hardattn.evaluation.metrics import METRICS
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.studies.tasks.plan import PRETEXT, TASKS, learns_first
from hardattn.problem import SCENES


def test_a_recipe_that_asks_another_thing_is_about_one_task() -> None:
    for name, recipe in RECIPES.items():
        about = [task.title for task in TASKS if task.holds(recipe)]
        asks = learns_first(recipe) or recipe.problem.scene.name in {task.scene for task in TASKS}
        asks = asks and (recipe.problem.scene.name != "plain" or learns_first(recipe))
        assert len(about) == asks, f"{name}: {about}"


def test_what_is_measured_are_metrics() -> None:
    assert {one.key for task in TASKS for one in task.measures} <= METRICS.keys()
    assert {task.scene for task in TASKS} <= SCENES.keys()


def test_a_control_is_about_the_same_task_and_trained_as_long() -> None:
    """But for what learns without labels first, of which the control has no such part."""
    for name, recipe in RECIPES.items():
        for other in recipe.controls:
            control = RECIPES[other]
            assert control.problem.scene == recipe.problem.scene, name
            assert PRETEXT.holds(recipe) or control.training == recipe.training, name


def test_every_recipe_has_a_control_or_is_one() -> None:
    controls = {other for recipe in RECIPES.values() for other in recipe.controls}
    for task in TASKS:
        alone = [
            name
            for name in task.recipes()
            if not RECIPES[name].controls and name not in controls and "oracle" not in name
        ]
        assert not alone, task.title
