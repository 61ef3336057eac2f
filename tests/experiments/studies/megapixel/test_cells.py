"""The cells of megapixel digits: what each is made of, and which weights fit where."""

import pytest
import torch

from hardattn.experiments.build import built
from hardattn.experiments.options.option import UsageError
from hardattn.experiments.run import build
from hardattn.experiments.studies.megapixel.cells import CANVASES, CELLS, Cell, chosen
from hardattn.sensors import Several

PLACES = 50**2, 125**2, 125**2


def shapes(cell: Cell) -> dict[str, torch.Size]:
    """Of the weights of its agent."""
    world, _, _ = built(cell.recipe.problem, [str(i) for i in range(10)], (1, 28, 28))
    agent = build(cell.recipe, world, (1, cell.canvas, cell.canvas))
    return {name: weight.shape for name, weight in agent.state_dict().items()}


def test_there_is_a_cell_of_every_agent_on_every_canvas() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert [cell.canvas for cell in CELLS if cell.agent == "ram"] == list(CANVASES)
    assert chosen(()) == list(CELLS) and chosen(("ram-4096",)) == [Cell("ram", 4096)]
    with pytest.raises(UsageError, match="no cell 'ram-5000'"):
        chosen(("ram-5000",))


@pytest.mark.parametrize("agent", [cell.agent for cell in CELLS if cell.canvas == CANVASES[0]])
def test_weights_that_move_fit_every_canvas(agent: str) -> None:
    cells = [cell for cell in CELLS if cell.agent == agent]
    if cells[0].who.moves:
        first, *others = map(shapes, cells)
        assert all(other == first for other in others)


@pytest.mark.parametrize("canvas, places", zip(CANVASES, PLACES, strict=True))
def test_control_looks_at_as_many_patches(canvas: int, places: int) -> None:
    own, control = (Cell(name, canvas).recipe for name in ("attention-sampling", "random-patches"))
    world, _, _ = built(own.problem, [str(i) for i in range(10)], (1, 28, 28))
    assert isinstance(world.sensor, Several) and world.sensor.places == 10 * places
    share = control.agent.get("share")
    assert control.problem == own.problem and round(share * places) == 10


def test_windows_cover_the_canvas() -> None:
    for canvas in CANVASES:
        problem = Cell("iterative-patch-selection", canvas).recipe.problem
        rows = round((problem.looks - 1) ** 0.5)
        assert rows**2 + 1 == problem.looks and 0 <= rows * 256 - canvas < 256
