"""Changed scenes, pixel by pixel on images made by hand."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.scenes import Scenes, add_clutter, cluttered
from hardattn.scenes.transforms import contrast, noise, occluded, shifted


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
