"""What was pasted comes from another scene, is where the target says, and nothing else is."""

import pytest
import torch

from hardattn.scenes.pasted import pasted
from tests.support.scenes import INDEX, make_split, numbers, pixels_of


@pytest.mark.parametrize("channels", [1, 3])
def test_the_square_is_another_scenes_and_the_rest_its_own(channels: int) -> None:
    """A square as large as the canvas shows all of the other; one of a pixel, all of its own."""
    split, canvas = make_split(channels=channels), 12
    whole, dot, part = (
        pasted(split, INDEX, numbers(3), canvas=canvas, distractor_size=3, side=side, spacing=1)
        for side in (12, 1, 5)
    )
    assert (
        whole.target.all() and (dot.target.sum(1) == 1).all() and (part.target.sum(1) == 25).all()
    )
    inside = part.target.view(-1, 1, canvas, canvas).bool()
    assert torch.equal(part.image * inside, whole.image * inside)
    own = ~inside & (dot.target.view(-1, 1, canvas, canvas) == 0)
    assert torch.equal(part.image * own, dot.image * own)
    for b in range(len(INDEX)):
        x0, y0, x1, y1 = pixels_of(part.box[b, 0], canvas, canvas)
        wanted = torch.zeros(canvas, canvas, dtype=torch.bool)
        wanted[y0:y1, x0:x1] = True
        assert torch.equal(inside[b, 0], wanted)


def test_a_square_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="17 pixels a side does not fit a canvas of 16x18"):
        pasted(make_split(), INDEX, canvas=(16, 18), side=17, distractor_size=3)
