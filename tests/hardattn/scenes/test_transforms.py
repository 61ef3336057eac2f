"""Changed scenes, pixel by pixel on images made by hand."""

import math
from itertools import pairwise

import pytest
import torch
from scipy import stats
from torch import Tensor

from hardattn.data import Split
from hardattn.scenes import Scenes, add_clutter, affine_transform, cluttered, random_affine
from hardattn.scenes.transforms import contrast, noise, occluded, shifted
from tests.support.scenes import numbers, pixels_of


def made(image: Tensor, *boxes: tuple[float, float, float, float]) -> Scenes:
    """One scene of (H, W) pixels, its boxes in pixels: left, top, right, bottom."""
    height, width = image.shape
    scale = torch.tensor([width, height, width, height])
    box = torch.tensor(boxes).view(1, -1, 4) / scale * 2 - 1
    return Scenes(image.to(torch.uint8)[None, None], torch.tensor([3]), box, torch.tensor([7]))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def only_the_image_changed(before: Scenes, after: Scenes) -> None:
    assert after.image.dtype == torch.uint8 and after.image.shape == before.image.shape
    for one, other in zip(before[1:], after[1:], strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())


def test_contrast_is_about_the_mean_of_each_image_and_channel() -> None:
    image = torch.tensor([[[[0, 100], [200, 100]], [[10, 10], [10, 30]]]], dtype=torch.uint8)
    scenes = Scenes(image, torch.zeros(1), torch.zeros(1, 1, 4), torch.zeros(1))
    half = contrast(scenes, 0.5)
    assert half.image.tolist() == [[[[50, 100], [150, 100]], [[12, 12], [12, 22]]]]  # 12.5 to even
    assert contrast(scenes, 0).image.tolist() == [[[[100, 100]] * 2, [[15, 15]] * 2]]
    assert torch.equal(contrast(scenes, 1).image, image)
    assert contrast(scenes, 3).image[0, 0].tolist() == [[0, 100], [255, 100]]
    only_the_image_changed(scenes, half)


def test_noise_has_its_width_and_is_one_pattern_at_all_levels() -> None:
    scenes = made(torch.full((200, 300), 128), (0, 0, 9, 9))
    little, much = (noise(scenes, std, seeded(3)).image.double() - 128 for std in (0.04, 0.08))
    assert little.std().item() == pytest.approx(0.04 * 255, rel=0.02)
    assert abs(little.mean()) < 0.2 and (much - 2 * little).abs().max() <= 1.5  # of rounding
    assert torch.equal(noise(scenes, 0.0, seeded()).image, scenes.image)
    assert not torch.equal(noise(scenes, 0.1, seeded(4)).image, noise(scenes, 0.1, seeded(5)).image)
    only_the_image_changed(scenes, noise(scenes, 0.1, seeded()))


def test_noise_is_cut_off_at_black_and_white() -> None:
    """128 would wrap around to black."""
    for level in (0, 255):
        drawn = noise(made(torch.full((50, 50), level), (0, 0, 9, 9)), 0.2, seeded()).image.double()
        away = (drawn - level).abs()
        assert (away < 255 * 0.2 * 6).all() and (away == 0).double().mean() > 0.4


@pytest.mark.parametrize("share, side", [(0, 0), (0.25, 4), (0.5, 6), (1, 8)])
def test_occlusion_blanks_a_square_inside_the_box(share: float, side: int) -> None:
    """8 * sqrt(0.5) is 5.7, six pixels."""
    scenes = made(torch.full((20, 30), 9), (5, 10, 13, 18))
    after = occluded(scenes, share, seeded(1))
    gone = after.image[0, 0] == 0
    assert gone.sum() == side**2
    rows, columns = gone.any(1).nonzero()[:, 0], gone.any(0).nonzero()[:, 0]
    assert len(rows) == len(columns) == side
    if side:
        assert set(rows.tolist()) <= {*range(10, 18)}
        assert set(columns.tolist()) <= {*range(5, 13)}
    only_the_image_changed(scenes, after)


def test_occlusion_falls_anywhere_in_the_box_evenly() -> None:
    count = 4000
    one = made(torch.full((12, 12), 1), (2, 3, 6, 7))
    after = occluded(one.repeat(count), 1 / 16, seeded(2)).image[:, 0]
    share = (after == 0).double().mean(0)
    assert (share > 0).sum() == 16 and (share[3:7, 2:6] - 1 / 16).abs().max() < 0.02


def test_occlusion_of_several_targets_of_which_one_is_absent() -> None:
    scenes = made(torch.full((10, 20), 5), (0, 0, 4, 4), (math.nan,) * 4, (10, 2, 18, 6))
    after = occluded(scenes, 1.0, seeded())
    wanted = scenes.image.clone()
    wanted[..., :4, :4] = 0
    wanted[..., 2:6, 10:18] = 0
    assert torch.equal(after.image, wanted)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="share of a box"):
            occluded(scenes, share, seeded())


def test_a_shift_moves_pixels_and_boxes_alike() -> None:
    image = torch.arange(1, 13).view(3, 4)
    scenes = made(image, (1, 1, 3, 2))
    right = shifted(scenes, 1, 0)
    assert right.image[0, 0].tolist() == [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11]]
    assert torch.allclose(right.box, made(image, (2, 1, 4, 2)).box)
    up = shifted(scenes, 0, -1)
    assert up.image[0, 0].tolist() == [[5, 6, 7, 8], [9, 10, 11, 12], [0, 0, 0, 0]]
    assert torch.allclose(up.box, made(image, (1, 0, 3, 1)).box)
    assert torch.allclose(shifted(scenes, 2, 0).box, made(image, (3, 1, 4, 2)).box)  # cut off
    assert torch.equal(shifted(scenes, 0, 0).image, scenes.image)
    back = shifted(right, -1, 0)
    assert torch.equal(back.image[..., :3], scenes.image[..., :3])
    assert torch.equal(right.target, scenes.target) and torch.equal(right.index, scenes.index)


def test_strewn_scenes_keep_their_target_and_are_cluttered_scenes() -> None:
    """One piece at a time is as good as all at once: sums are clamped, and none is below 0."""
    split = Split(torch.full((2, 1, 4, 4), 100, dtype=torch.uint8), torch.tensor([0, 1]))
    index = torch.tensor([0, 1, 0])
    bare = cluttered(split, index, seeded(1), canvas=9, distractors=0)
    drawn = seeded(5)
    steps = [bare]
    for more in (1, 0, 2):
        steps.append(add_clutter(steps[-1], split, drawn, distractors=more, distractor_size=3))
    assert torch.equal(steps[1].image, steps[2].image)
    for before, after in pairwise(steps):
        assert (after.image >= before.image).all()
        only_the_image_changed(before, after)
    assert ((steps[1].image.int() - bare.image).flatten(1) > 0).sum(1).tolist() == [9, 9, 9]
    most = add_clutter(steps[3], split, drawn, distractors=30, distractor_size=3)
    assert most.image.max() == 255
    with pytest.raises(ValueError, match="a piece of 5"):
        add_clutter(bare, split, drawn, distractors=1, distractor_size=5)


def matrices(*rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def boxed(height: int, width: int, count: int = 2) -> Scenes:
    """Noise of two channels, with one box of whole pixels and one that is not there."""
    image = torch.randint(256, (count, 2, height, width), generator=numbers(3)).byte()
    edges = torch.tensor([2.0, 1.0, 5.0, 3.0]) / torch.tensor([width, height, width, height])
    box = torch.stack([edges * 2 - 1, torch.full((4,), torch.nan)]).expand(count, 2, 4)
    return Scenes(image, torch.arange(count), box, torch.arange(count) + 7)


def test_what_is_moved_by_whole_pixels_is_the_same_pixels():
    """Each image by its own matrix; what leaves the image is gone, and what comes in is 0."""
    height, width, some = 6, 8, boxed(6, 8)
    right, down = 2 / width, 2 / height  # of one pixel, in locations
    one, other = [[1, 0, 2 * right], [0, 1, down]], [[1, 0, 0], [0, 1, -3 * down]]
    found = affine_transform(some, matrices(one, other))
    wanted = torch.zeros_like(some.image)
    wanted[0, :, 1:, 2:] = some.image[0, :, :-1, :-2]
    wanted[1, :, :-3] = some.image[1, :, 3:]
    assert found.image.dtype == torch.uint8 and torch.equal(found.image, wanted)
    assert torch.equal(found.target, some.target) and torch.equal(found.index, some.index)
    assert pixels_of(found.box[0, 0], height, width) == [4, 2, 7, 4]
    assert pixels_of(found.box[1, 0], height, width) == [2, 0, 5, 0]  # it has left
    assert found.box[:, 1].isnan().all() and found.box.shape == some.box.shape


def test_a_quarter_turn_and_a_doubling_are_exact():
    some = boxed(6, 6)
    found = affine_transform(some, matrices([[0, -1, 0], [1, 0, 0]], [[2, 0, 0], [0, 2, 0]]))
    # y points down, so that x -> y is clockwise on the screen.
    assert torch.equal(found.image[0], some.image[0].rot90(-1, (1, 2)))
    assert pixels_of(found.box[0, 0], 6, 6) == [3, 2, 5, 5]
    assert pixels_of(found.box[1, 0], 6, 6) == [1, 0, 6, 3]
    # The centre of pixel 3 comes from a quarter of a pixel short of that of pixel 3.
    near = some.image[1, :, 2:4, 2:4].double()
    share = torch.tensor([0.25, 0.75], dtype=torch.float64)
    read = torch.einsum("cij,i,j->c", near, share, share)
    assert torch.equal(found.image[1, :, 3, 3], read.round().byte())
    assert torch.equal(some.image, boxed(6, 6).image)


@pytest.mark.parametrize("height, width", [(20, 20), (16, 28)])
def test_jitter_keeps_the_target_in_its_box(height, width):
    image = torch.zeros(200, 1, height, width, dtype=torch.uint8)
    image[:, :, 6:9, 8:14] = 255
    edges = torch.tensor([8.0, 6.0, 14.0, 9.0]) / torch.tensor([width, height, width, height])
    box = (edges * 2 - 1).expand(200, 1, 4)
    some = Scenes(image, torch.zeros(200).long(), box, torch.arange(200))
    found = random_affine(some, numbers(1), turn=30, stretch=1.2, shift=0.2)
    size = torch.tensor([width, height, width, height])
    edges = (found.box[:, 0] + 1) / 2 * size
    for one, (x0, y0, x1, y1) in zip(found.image[:, 0], edges.tolist(), strict=True):
        rows, columns = (one > 140).nonzero().unbind(1)
        # The centres of what is brighter than half lie in the box, and reach its sides.
        assert y0 - 0.1 <= rows.min() + 0.5 and rows.max() + 0.5 <= y1 + 0.1
        assert x0 - 0.1 <= columns.min() + 0.5 and columns.max() + 0.5 <= x1 + 0.1
        assert rows.min() - y0 < 1.5 and x1 - columns.max() - 1 < 1.5
    # Its area is that of the box of old, times the square of the magnification.
    area = found.image.double().sum((1, 2, 3)) / 255 / 18
    assert 1 / 1.2**2 - 0.1 < area.min() < 0.8 and 1.25 < area.max() < 1.2**2 + 0.1
    assert len({tuple(each) for each in found.box[:, 0].tolist()}) == 200


def test_jitter_draws_from_its_generator_and_as_far_as_it_may():
    some = boxed(6, 8)
    still = random_affine(some, numbers(0), turn=0, stretch=1, shift=0)
    assert torch.equal(still.image, some.image)
    assert torch.allclose(still.box, some.box, equal_nan=True)
    far = dict(turn=15, stretch=1.1, shift=0.1)
    one, again, other = (random_affine(some, numbers(seed), **far) for seed in (1, 1, 2))
    assert torch.equal(one.image, again.image) and not torch.equal(one.image, other.image)
    middle = torch.tensor([-0.5, -0.5, 0.25, 0.25]).expand(4000, 1, 4)  # which stays inside
    many = Scenes(*boxed(4, 4, 4000)[:2], middle, torch.arange(4000))
    moved = random_affine(many, numbers(3), turn=0, stretch=1, shift=0.3).centre - many.centre
    assert moved.abs().max() <= 0.3 + 1e-5
    for axis in moved.double().T:
        assert stats.kstest(axis.numpy(), stats.uniform(-0.3, 0.6).cdf).pvalue > 1e-4
