"""What holds of every sensor."""

import pytest
import torch
from hypothesis import given, strategies as st

from hardattn.sensors import SENSORS, SIGHTS, Whole
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.sensors import ALONG, FUZZ, example, pictures


def test_what_shows_everything_is_the_image():
    images = pictures(3, 2, 5, 7)
    shown = [name for name in SENSORS if example(name).everything]
    assert shown == ["whole"]
    whole = Whole()
    for place in (torch.zeros(3, 2), torch.ones(3, 2)):
        assert torch.equal(whole.look(whole.open(images), place), images / 255)


@pytest.mark.parametrize("name", SENSORS)
@FUZZ
@given(
    places=st.lists(st.tuples(ALONG, ALONG), min_size=1, max_size=4),
    shape=st.sampled_from([(1, 2, 3), (3, 6, 3), (1, 8, 9), (3, 12, 6), (1, 10, 12)]),
    seed=st.integers(0, 3),
)
def test_every_sensor(name, places, shape, seed):
    """Shapes and pixels as promised, values in [0, 1], rows independent, input left alone."""
    sensor = example(name)
    images = pictures(len(places), *shape, seed)
    images[0] = 255
    before, where = images.clone(), sensor.at(torch.tensor(places, dtype=torch.float32))
    assert where.shape == (len(places), sensor.places)
    kept = where.clone()
    seen = sensor.look(sensor.open(images), where)
    assert torch.equal(images, before)
    assert torch.equal(where, kept)
    assert seen.shape == (len(places), *sensor.shape(shape))
    assert seen[0].numel() == shape[0] * sensor.pixels(shape)
    assert seen.dtype == torch.float32
    assert seen.min() >= 0
    assert seen.max() <= 1 + 1e-6
    for row in range(len(places)):
        alone = sensor.look(sensor.open(images[row : row + 1]), where[row : row + 1])
        assert torch.allclose(alone[0], seen[row], atol=1e-6)


@pytest.mark.parametrize("name", SENSORS)
def test_half_precision_places_do_not_blur(name):
    """bfloat16 counts no further than 256: pixel arithmetic in it would look elsewhere."""
    sensor = example(name)
    view = sensor.open(pictures(4, 1, 300, 303))
    place = sensor.at(torch.tensor([[0.3, 0.7], [-1, 1], [0.9, -0.9], [0.01, 0.5]]).bfloat16())
    assert torch.equal(sensor.look(view, place), sensor.look(view, place.float()))


@pytest.mark.parametrize("name", SENSORS)
def test_points_and_places(name):
    """A point's place lies there, to within a cell; places are bounded, NaN included."""
    sensor = example(name)
    point = torch.tensor([[-1.0, 1.0], [0.3, -0.2], [1.0, 1.0], [0.0, 0.0]])
    place = sensor.at(point)
    near = 0.51 if name in ("cells", "patches", "pairs", "several") else 1e-6
    assert (sensor.point(place) - point).abs().max() <= near
    assert torch.equal(sensor.bound(place), place)
    wild = torch.full_like(place, torch.nan)
    wild[1], wild[2] = 1e30, -torch.inf
    bounded = sensor.bound(wild)
    assert bounded.isfinite().all()
    assert bounded.abs().max() <= 1
    sensor.look(sensor.open(pictures(4, 1, 6, 6)), bounded)


@pytest.mark.parametrize("name", SENSORS)
def test_says_whether_a_gradient_passes(name):
    sensor = example(name)
    place = sensor.at(torch.full((1, 2), 0.1)).requires_grad_()
    seen = sensor.look(sensor.open(pictures(1, 1, 6, 6)), place)
    passes = seen.requires_grad and torch.autograd.grad(seen.sum(), place)[0].abs().sum() > 0
    assert passes == (sensor.differentiable and not sensor.everything)


@pytest.mark.parametrize("name", SENSORS)
def test_says_how_finely_and_how_widely_it_looks(name):
    """Never more finely than widely, so that a world says what its looks can show."""
    sensor, image = example(name), (1, 24, 32)
    fine, wide = sensor.fine(image), sensor.wide(image)
    assert all(0 <= one <= other for one, other in zip(fine, wide, strict=True)), (fine, wide)
    assert World(sensor, Classify(2), 6).sees(image) in SIGHTS
