"""What a recipe says, inherits, refuses and expects."""

import dataclasses
from pathlib import Path

import pytest

from hardattn.experiments import run as execute
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.options import tables
from hardattn.experiments.options.option import nearest
from hardattn.experiments.recipe import Spec, UsageError, choose_rows
from hardattn.experiments.recipes import RECIPES
from tests.support.commands import NET_RECIPE, OURS, RAM_RECIPE, TINY, fails
from tests.support.recipes import one_of_each


@pytest.mark.parametrize("part", ["scene", "sensor", "estimator"])
def test_what_a_row_does_not_take_is_not_inherited_from_another(part: str) -> None:
    """Every recipe with every other scene, sensor and estimator; what is taken is inherited."""
    for name, recipe in OURS.items():
        before = recipe.specs()[part].options
        for row in tables.rows(part):
            try:
                after = choose_rows(recipe, {part: row})
            except UsageError as fault:
                assert "nobody knows where the target is" in str(fault)
                continue
            takes = tables.options_of(part, row)
            kept = {key: value for key, value in before.items() if key in takes}
            assert after.specs()[part] == Spec(row, **kept), (name, row)
            assert (
                dataclasses.replace(after, problem=recipe.problem, estimator=recipe.estimator)
                == recipe
            )


@pytest.mark.parametrize(
    "name, words, dropped, kept",
    [
        (
            "ram-cluttered-digits",
            ["--scene=plain"],
            "canvas distractors distractor_size",
            "zoom size scales",
        ),
        (
            "ram-cluttered-digits",
            ["--scene", "sequence"],
            "distractors distractor_size",
            "canvas zoom",
        ),
        ("ram-digits", ["--sensor", "gaussian_window"], "scales", "size canvas"),
        ("ram-leave-one-out-digits", ["--estimator", "reinforce"], "samples", "size lr"),
    ],
)
def test_a_command_inherits_what_it_can(
    name: str, words: list[str], dropped: str, kept: str
) -> None:
    label, recipe, _ = parse([name, *words])
    before, after = RECIPES[name].settings(), recipe.settings()
    for key in dropped.split():
        assert before[key] is not None and key not in after and key not in label
    for key in kept.split():
        assert after[key] == before[key] is not None


def test_what_is_said_is_not_dropped(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a recipe says the same: a wish that cannot be is refused."""
    name = "ram-cluttered-digits"
    canvas = str(RECIPES[name].problem.scene.get("canvas"))
    for words in (["--canvas", canvas], [f"--canvas={canvas}"], ["--distractors", "4"]):
        refusal = f"scene 'plain' takes no '{words[0][2:].partition('=')[0]}'"
        fails(capsys, 2, refusal, tiny, name, "--scene", "plain", *words)
    fails(capsys, 2, "sensor 'whole' takes no 'size'", tiny, name, "--sensor=whole", "--size=6")
    fails(capsys, 2, "no scene is called 'plane'", tiny, name, "--scene", "plane")
    _, recipe, _ = parse([name, "--zoom", "None", "--scene", "sequence"])
    assert recipe.problem.scene == Spec("sequence", canvas=int(canvas))


@pytest.mark.parametrize("name", one_of_each(OURS))
def test_what_all_recipes_have_alike_is_no_hyperparameter(name: str) -> None:
    recipe, everywhere = RECIPES[name], [one.settings() for one in RECIPES.values()]
    shown = execute.compared(recipe, RECIPES)
    own = {flag.name for flag in recipe.flags() if flag.part == "agent"}
    for key, value in recipe.settings().items():
        alike = all(one[key] == value for one in everywhere if key in one)
        assert (key in shown) == (not alike or key in own), key
    training = dataclasses.replace(recipe.training, momentum=0.123)
    changed = dataclasses.replace(recipe, training=training)
    assert set(execute.compared(changed, RECIPES)) == {*shown, "momentum"}


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_says_what_to_expect(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.title and recipe.about.endswith(".") and recipe.expect and recipe.minutes >= 0
    assert all(
        value is None or isinstance(value, str | int | float | bool | tuple)
        for value in recipe.settings().values()
    )
    assert recipe.settings() == dataclasses.replace(recipe).settings()


@pytest.mark.parametrize(
    "words, answer",
    [
        (["ram-digit"], "no recipe is called 'ram-digit': perhaps ram-digits"),
        (["--lr", "1"], "no recipe is called '--lr'"),
        ([RAM_RECIPE, "--lrr", "1"], "no field 'lrr': perhaps lr"),
        ([RAM_RECIPE, "--validate_ever=1"], "perhaps validate_every"),
        ([RAM_RECIPE, "--net", "cnn"], "agent 'ram' takes no 'net'"),
        ([RAM_RECIPE, "--lr", "fast"], "--lr ... 'fast'"),
        ([RAM_RECIPE, "--lr"], "--lr"),
        ([RAM_RECIPE, "--looks", "2.5"], "--looks ... '2.5'"),
        ([RAM_RECIPE, "stray"], "stray"),
        ([RAM_RECIPE, "--core", "gruu"], "no core is called 'gruu': perhaps gru"),
        ([RAM_RECIPE, "--optimizer", "adm"], "no optimizer is called 'adm': perhaps adam"),
        ([RAM_RECIPE, "--looks", "0"], "looks must be at least 1, not 0"),
        ([RAM_RECIPE, "--images", "-5"], "images must be at least 1"),
        ([RAM_RECIPE, "--estimator", "vimco", "--samples", "1"], "samples must be at least 2"),
        ([RAM_RECIPE, "--lr", "0"], "lr must be positive"),
        ([RAM_RECIPE, "--lr", "nan"], "lr must be positive"),
        ([RAM_RECIPE, "--lr", "inf"], "lr must be a finite number"),
        ([RAM_RECIPE, "--momentum", "nan"], "momentum must be"),
        ([RAM_RECIPE, "--momentum", "1"], "momentum must be below 1"),
        ([RAM_RECIPE, "--curriculum", "1.5"], "curriculum must be between 0 and 1, not 1.5"),
        (
            [RAM_RECIPE, "--train-fraction", "1.5"],
            "is a share ... at most 1, not 1.5",
        ),
        ([RAM_RECIPE, "--train-fraction", "0"], "train_fraction must be positive, not 0"),
        (
            [RAM_RECIPE, "--test-fraction", "1.5"],
            "test_fraction is a share ... at most 1, not 1.5",
        ),
        ([RAM_RECIPE, "--rho", "0.1"], "optimizer 'adam' takes no rho"),
        ([RAM_RECIPE, "--bonus", "nan"], "bonus must be a finite number"),
        ([RAM_RECIPE, "--std", "-1"], "std must be positive"),
        ([RAM_RECIPE, "--threads", "0"], "threads must be at least 1"),
        ([RAM_RECIPE, "--seed", "-1"], "seed must be at least 0"),
        ([RAM_RECIPE, "--seed", str(10**30)], "seed must be below"),
        ([RAM_RECIPE, "--test-seed", str(10**30)], "test_seed must be below"),
        # What only the code that it is for can tell.
        ([RAM_RECIPE, "--scene", "clutered"], "no scene is called 'clutered': perhaps cluttered"),
        ([RAM_RECIPE, "--sensor", "retna"], "perhaps retina"),
        ([RAM_RECIPE, "--first", "center"], "perhaps centre"),
        ([RAM_RECIPE, "--context", "targt"], "perhaps target"),
        ([RAM_RECIPE, "--script", "rastr"], "perhaps raster"),
        ([NET_RECIPE, "--net", "conv2014"], "perhaps conv_2014"),
        ([RAM_RECIPE, "--estimator", "self-critical"], "perhaps self_critical"),
        ([RAM_RECIPE, "--dataset", "digit"], "perhaps digits"),
        (
            [RAM_RECIPE, "--distractors", "3"],
            "scene 'translated' takes no 'distractors' ... canvas, zoom",
        ),
        ([RAM_RECIPE, "--sigma", "1"], "sensor 'retina' takes no 'sigma' ... size, scales"),
        (
            [RAM_RECIPE, "--samples", "4"],
            "'per_look_gain' takes no 'samples' ... discount, ent_coef",
        ),
        ([RAM_RECIPE, "--canvas", "12"], "does not fit a canvas of 12x12"),
        ([RAM_RECIPE, "--device", "tpu9"], "device 'tpu9' cannot be used here"),
        ([NET_RECIPE, "--sensor", "retina"], "sensor 'retina' needs 'size'"),
        (["ram-mnist", "--scene", "translated"], "scene 'translated' needs 'canvas'"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_meant_is_answered_in_one_line(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], answer: str
) -> None:
    capsys.readouterr()
    given = [*words, "--out", str(tiny)]
    if words[0] in RECIPES:
        given[1:1] = TINY  # what the case gives comes later, and counts
    device = [] if "--device" in words else ["--device", "cpu"]
    assert main(["train", *given, *device]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    for part in answer.split(" ... "):
        assert part in said.err
    assert not list(tiny.iterdir())  # no folder of what never ran


def test_the_name_of_a_run_says_what_was_changed() -> None:
    name, recipe, where = parse([RAM_RECIPE, "--lr", "0.5", "--core", "lstm", "--seed", "3"])
    assert name == f"{RAM_RECIPE},core=lstm,lr=0.5" and where.seed == 3
    assert recipe.training.lr == 0.5 and recipe.agent.get("core") == "lstm"
    assert parse([RAM_RECIPE])[0] == RAM_RECIPE
    assert "/" not in parse([RAM_RECIPE, "--dataset", "folder:a/b"])[0]
    name, _, _ = parse([RAM_RECIPE, "--augment", "flip", "rotate=10"])
    assert name == f"{RAM_RECIPE},augment=flip+rotate=10"  # one word of every shell
    name, _, _ = parse([RAM_RECIPE, "--dataset", f"folder:{'long/' * 100}"])
    other, _, _ = parse([RAM_RECIPE, "--dataset", f"folder:{'long/' * 101}"])
    assert name != other and len(name) < 255 and name.startswith(RAM_RECIPE)


def test_nearest() -> None:
    assert nearest("zzz", ["a", "b"]) == "choose from a, b"
