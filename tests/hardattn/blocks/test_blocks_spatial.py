"""Spatial attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.picanet import evenly
from hardattn.blocks.span import Level
from hardattn.maps import Map, recorded, replaced


def _bottleneck(c: int, middle: int) -> int:
    return 2 * c + c * middle + 2 * middle + 9 * middle**2 + 2 * middle + middle * c


def _lstm(inputs: int, hidden: int) -> int:
    """Both ways: four gates, each with two biases."""
    return 2 * 4 * (hidden * (inputs + hidden) + 2 * hidden)


def _transformer(c: int, parameters: int) -> int:
    half = c // 2
    return 9 * c * half + half + 16 * half * 32 + 32 + 32 * parameters + parameters


WEIGHTS: dict[str, Callable[..., int]] = {
    "deformable": lambda c: 9 * c * c + c + 18 * 9 * c + 18,
    "deformable_v2": lambda c: 9 * c * c + c + 27 * 9 * c + 27,
    "hourglass": lambda c: 7 * _bottleneck(c, c // 2) + 2 * c + c + 1,
    "multi_context": lambda c: 9 * c + 1 + 9 + 1,
    "picanet_global": lambda c: (
        _lstm(c, c // 4) + _lstm(c // 2, c // 4) + 100 * (c // 2) + 100 + 2 * c * c + 2 * c
    ),
    "picanet_local": lambda c: (
        49 * c * max(8, c // 4) + 49 * max(8, c // 4) + 49 + 2 * c * c + 2 * c
    ),
    "pyramid_feature": lambda c: (
        2 * c * max(8, c // 4) + max(8, c // 4) + c + 2 * (9 * c * (c // 2) + c + 9 * (c // 2) + 2)
    ),
    "residual_attention": lambda c: 7 * _bottleneck(c, c // 4) + 2 * (2 * c + c * c) + c,
    "span": lambda c: 2 * c * (c // 2) + c // 2 + c + 2 * 19 * (c // 2) ** 2,
    "spatial_pyramid": lambda c: (
        (9 * c * c + c)
        + 3 * (c * (c // 2) + 2 * (c // 2))
        + (c * (c // 2) + c // 2)
        + 3 * ((c // 2) * c + c)
        + (c * c + c)
    ),
    "spatial_spectral": lambda c: 4 * c * max(1, c // 8) + 2 * c * c + 2 * (c * c + c),
    "spatial_transformer": lambda c: _transformer(c, 6),
    "spatial_transformer_zoom": lambda c: _transformer(c, 3),
}


def made(name: str, channels: int, **options) -> nn.Module:
    torch.manual_seed(0)
    return BLOCKS[name].make(channels, **options).double().eval()


def features(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def maps_of(block: nn.Module, x: Tensor) -> list[Map]:
    with recorded(block) as maps:
        block(x)
    return maps


def read(image: Tensor, row: float, column: float) -> float:
    """One channel, bilinearly, 0 outside."""
    total = 0.0
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            near = max(0.0, 1 - abs(row - r)) * max(0.0, 1 - abs(column - c))
            total += near * image[r, c].item()
    return total


def test_deformable_convolution_with_no_offsets_is_a_convolution():
    x = features(2, 4, 5, 7)
    first, second = made("deformable", 4), made("deformable_v2", 4)
    torch.testing.assert_close(first(x), first.conv(x))
    # At the start every tap of the second counts a half.
    half = F.conv2d(x, second.conv.weight / 2, second.conv.bias, padding=1)
    torch.testing.assert_close(second(x), half)


@pytest.mark.parametrize("name", ["deformable", "deformable_v2"])
def test_deformable_convolution_against_a_loop(name: str):
    x, block = features(1, 2, 3, 4), made(name, 2)
    offsets = 1.5 * features(18, 3, 4, seed=2)  # some read outside
    modulation = torch.ones(9, 3, 4, dtype=torch.float64)
    if name == "deformable_v2":
        modulation = torch.rand_like(modulation)
    told = torch.cat([offsets, modulation])[: 27 if name == "deformable_v2" else 18]
    with replaced(block, lambda one: told[None]):
        y = block(x)
    for out in range(2):
        for row in range(3):
            for column in range(4):
                total = block.conv.bias[out].item()
                for tap in range(9):
                    down = row + tap // 3 - 1 + offsets[2 * tap, row, column].item()
                    across = column + tap % 3 - 1 + offsets[2 * tap + 1, row, column].item()
                    weight = (
                        block.conv.weight[out, :, tap // 3, tap % 3] * modulation[tap, row, column]
                    )
                    total += sum(weight[c].item() * read(x[0, c], down, across) for c in range(2))
                assert y[0, out, row, column].item() == pytest.approx(total)


@pytest.mark.parametrize("name", ["deformable", "deformable_v2"])
def test_density_of_a_deformable_convolution_is_how_much_of_a_pixel_it_reads(name: str):
    block, x = made(name, 1), features(2, 1, 6, 5).requires_grad_()
    nn.init.ones_(block.conv.weight)
    told = 1.5 * features(2, 18, 6, 5, seed=2)
    if name == "deformable_v2":
        told = torch.cat([told, torch.rand(2, 9, 6, 5, dtype=torch.float64)], 1)
    with recorded(block) as maps, replaced(block, lambda one: told):
        y = block(x)
    (reads,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(maps[0].density, reads[:, 0])


def saying(name: str, channels: int, theta: list[float]) -> nn.Module:
    """A spatial transformer that says the same of every image."""
    block = made(name, channels)
    with torch.no_grad():
        block.last.bias.copy_(torch.tensor(theta))
    return block


def test_a_spatial_transformer_translates():
    x = features(2, 4, 8, 10)
    moved = torch.zeros_like(x)
    moved[:, :, 1:, :-2] = x[:, :, :-1, 2:]
    affine = saying("spatial_transformer", 4, [1, 0, 2 * 2 / 10, 0, 1, -2 * 1 / 8])
    torch.testing.assert_close(affine(x), moved)
    zoom = saying("spatial_transformer_zoom", 4, [1, 2 * 2 / 10, -2 * 1 / 8])
    torch.testing.assert_close(zoom(x), moved)


def test_a_zoom_of_one_half_shows_the_middle():
    x = features(1, 4, 8, 12)
    zoom = saying("spatial_transformer_zoom", 4, [0.5, 0, 0])
    affine = saying("spatial_transformer", 4, [0.5, 0, 0, 0, 0.5, 0])
    torch.testing.assert_close(zoom(x), affine(x))
    larger = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(zoom(x), larger[:, :, 4:12, 6:18])
    density = maps_of(zoom, x)[0].density
    assert density[:, 2:6, 3:9].sum() > 0.85 * density.sum()


@pytest.mark.parametrize(
    "name, theta",
    [
        ("spatial_transformer", [0.8, 0.3, 0.4, -0.2, 1.3, -0.1]),
        ("spatial_transformer_zoom", [0.7, 0.5, -0.2]),
    ],
)
def test_density_of_a_spatial_transformer_is_how_much_of_a_pixel_it_reads(name, theta):
    block, x = saying(name, 2, theta), features(2, 2, 7, 9).requires_grad_()
    with recorded(block) as maps:
        y = block(x)
    (reads,) = torch.autograd.grad(y[:, 0].sum(), x)
    torch.testing.assert_close(maps[0].density, reads[:, 0])


def test_picanet_against_a_loop():
    x, block = features(1, 16, 4, 5), made("picanet_local", 16, window=3, dilation=2)
    weights = maps_of(block, x)[0].tensor[0]
    logits = block.weigh(block.context(x))[0]
    attended = torch.zeros_like(x)
    for row in range(4):
        for column in range(5):
            share = torch.softmax(logits[:, row, column], 0)
            torch.testing.assert_close(weights[row, column], share)
            for k in range(9):
                there = row + 2 * (k // 3 - 1), column + 2 * (k % 3 - 1)
                if 0 <= there[0] < 4 and 0 <= there[1] < 5:
                    attended[0, :, row, column] += share[k] * x[0, :, there[0], there[1]]
    torch.testing.assert_close(block(x), block.fuse(x, attended))


def test_global_picanet_against_a_loop():
    x, block = features(1, 8, 6, 4), made("picanet_global", 8, context=3)
    swept = torch.stack([block.along_rows(x[:, :, r].mT)[0] for r in range(6)], 1)
    swept = torch.stack([block.along_columns(swept[:, :, c])[0] for c in range(4)], 2)
    logits = block.weigh(swept.permute(0, 3, 1, 2))[0]
    context = F.interpolate(x, (3, 3), mode="bilinear", align_corners=True)[0].flatten(1)
    attended = torch.zeros_like(x)
    for row in range(6):
        for column in range(4):
            attended[0, :, row, column] = context @ torch.softmax(logits[:, row, column], 0)
    torch.testing.assert_close(block(x), block.fuse(x, attended))


def test_global_picanet_reads_every_third_pixel_of_28():
    picked = torch.zeros(10, 28)
    picked[torch.arange(10), 3 * torch.arange(10)] = 1
    torch.testing.assert_close(evenly(28, 10, picked), picked)


def test_pyramid_feature_is_se_where_every_place_counts():
    x, block = features(2, 16, 5, 4), made("pyramid_feature", 16)
    other = made("se", 16, reduction=4)
    other.load_state_dict({n: w for n, w in block.state_dict().items() if n in other.state_dict()})

    def open_to_all_places(one: Map) -> Tensor:
        return torch.ones_like(one.tensor) if one.kind == "spatial gate" else one.tensor

    with replaced(block, open_to_all_places):
        torch.testing.assert_close(block(x), other(x))


def test_pyramid_feature_looks_along_a_row_and_a_column():
    block, x = made("pyramid_feature", 8), features(9, 8, 11, 11).requires_grad_()
    gate = block.across_down(x)[:, 0, 5, 5] + block.down_across(x)[:, 0, 5, 5]
    (reach,) = torch.autograd.grad(gate.sum(), x)
    reach = reach.abs().sum((0, 1)) > 0
    assert reach[1:10, 1:10].all()
    assert not reach[0].any() and not reach[:, 10].any()


def test_span_with_matrices_in_common_is_masked_full_attention():
    torch.manual_seed(0)
    x, level = features(2, 4, 5, 6), Level(4, dilation=2).double()
    query, key, value = (features(4, 4, seed=s) for s in (2, 3, 4))
    with torch.no_grad():
        level.query.weight.copy_(query[..., None, None])
        level.key.weight.copy_(key.T.repeat_interleave(9, 0)[..., None, None])
        level.value.weight.copy_(value.repeat_interleave(9, 1)[..., None, None])
    tokens = x.flatten(2).mT
    row, column = torch.arange(30) // 6, torch.arange(30) % 6
    near = torch.tensor([-2, 0, 2])
    allowed = torch.isin(row[:, None] - row, near) & torch.isin(column[:, None] - column, near)
    full = F.scaled_dot_product_attention(
        tokens @ query.T, tokens @ key.T, tokens @ value.T, attn_mask=allowed
    )
    torch.testing.assert_close(level(x), x + full.mT.unflatten(2, (5, 6)))


def test_span_tells_its_neighbours_apart_and_leaves_out_those_outside():
    torch.manual_seed(0)
    x, level = features(1, 3, 4, 5), Level(3, dilation=1).double()
    y = level(x)
    weights = maps_of(level, x)[0]
    keys = level.key.weight.view(3, 9, 3)  # K_j' for each j
    values = level.value.weight.view(3, 3, 9)
    for row in range(4):
        for column in range(5):
            query = level.query.weight[:, :, 0, 0] @ x[0, :, row, column]
            there = {j: (row + j // 3 - 1, column + j % 3 - 1) for j in range(9)}
            there = {j: at for j, at in there.items() if 0 <= at[0] < 4 and 0 <= at[1] < 5}
            scores = [(keys[:, j] @ query) @ x[0, :, r, c] / 3**0.5 for j, (r, c) in there.items()]
            total = x[0, :, row, column]
            for share, (j, (r, c)) in zip(
                torch.stack(scores).softmax(0), there.items(), strict=True
            ):
                total = total + share * values[:, :, j] @ x[0, :, r, c]
                torch.testing.assert_close(weights.tensor[0, row, column, j], share)
            torch.testing.assert_close(y[0, :, row, column], total)
    # Nothing is lost outside: each of 20 places gives away one.
    torch.testing.assert_close(weights.density.sum(), torch.tensor(20.0, dtype=torch.float64))


def test_spatial_spectral_attention_is_separable():
    x, block = features(2, 16, 4, 5), made("spatial_spectral", 16)
    columns, rows, channels = (one.tensor[:, 0] for one in maps_of(block, x))
    all_at_once = torch.einsum("bhg,bwv,bcd,bdgv->bchw", rows, columns, channels, block.value(x))
    torch.testing.assert_close(block(x), x + block.out(all_at_once))
    query, key = block.project(x)[:, 4:6], block.project(x)[:, 6:8]
    scores = torch.zeros(2, 4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            scores[:, i, j] = (query[:, :, i] * key[:, :, j]).sum((1, 2)) / (2 * 5) ** 0.5
    torch.testing.assert_close(rows, scores.softmax(-1))


def test_a_spatial_pyramid_of_one_pixel_is_attention_pooling():
    x, block = features(2, 8, 5, 4), made("spatial_pyramid", 8, windows=(1,))
    weights = maps_of(block, x)[0].tensor[:, 0]
    vector = (x.flatten(2) * weights[:, None]).sum(2)
    torch.testing.assert_close(block(x), x + block.out(vector)[:, :, None, None])


def test_windows_of_a_spatial_pyramid_leave_out_what_is_outside():
    x, block = features(1, 8, 6, 7), made("spatial_pyramid", 8)
    for k, side in enumerate((3, 5, 7)):
        half = side // 2
        for row in range(6):
            for column in range(7):
                window = x[
                    0,
                    :,
                    max(0, row - half) : row + half + 1,
                    max(0, column - half) : column + half + 1,
                ]
                torch.testing.assert_close(block.pool(x)[0, k, :, row, column], window.mean((1, 2)))


def test_residual_attention_adds_its_mask_to_one():
    x, block = features(2, 16, 7, 9), made("residual_attention", 16)
    with replaced(block, lambda one: torch.zeros_like(one.tensor)):
        torch.testing.assert_close(block(x), block.trunk(x))
    with replaced(block, lambda one: torch.ones_like(one.tensor)):
        torch.testing.assert_close(block(x), 2 * block.trunk(x))


@pytest.mark.parametrize("name", ["residual_attention", "hourglass"])
def test_masks_from_a_wider_view_see_the_whole_map(name: str):
    block, x = made(name, 16), features(1, 16, 12, 12).requires_grad_()
    mask = maps_of(block, x)[0].tensor
    (reach,) = torch.autograd.grad(mask[0, 0, 0, 0], x)
    assert reach[:, :, 11, 11].abs().sum() > 0


def test_an_hourglass_gates():
    x, block = features(2, 16, 7, 9), made("hourglass", 16)
    gate = maps_of(block, x)[0].tensor
    torch.testing.assert_close(block(x), x * gate)


def variation(map_: Tensor) -> float:
    return (map_.diff(dim=2).abs().mean() + map_.diff(dim=3).abs().mean()).item()


def test_crf_smoothing_lowers_the_total_variation():
    block, score = made("multi_context", 4), 2 * features(8, 1, 12, 12)
    with torch.no_grad():
        # Neighbours draw a place to their side; a map of halves draws it nowhere.
        block.spread.weight.fill_(0.5)
        block.spread.weight[0, 0, 1, 1] = 0
        block.spread.bias.fill_(-block.spread.weight.sum() / 2)
    alone = torch.sigmoid(score)
    smooth = block.infer(score)
    # Not because it fades: its values spread as far.
    assert variation(smooth) / smooth.std() < 0.9 * variation(alone) / alone.std()
    with torch.no_grad():
        block.spread.weight.neg_()
        block.spread.bias.neg_()
    rough = block.infer(score)
    assert variation(rough) / rough.std() > variation(alone) / alone.std()


def test_crf_attention_is_its_recursion():
    x, block = features(2, 4, 5, 6), made("multi_context", 4)
    score = F.conv2d(x, block.score.weight, block.score.bias, padding=1)

    def spread(gate: Tensor) -> Tensor:
        return F.conv2d(gate, block.spread.weight, block.spread.bias, padding=1)

    first = torch.sigmoid(score + spread(score))
    second = torch.sigmoid(score + spread(first))
    third = torch.sigmoid(score + spread(second))
    torch.testing.assert_close(block(x), x * third)


@pytest.mark.parametrize(
    "name, options",
    [
        ("deformable", {"kernel": 2}),
        ("hourglass", {"depth": 0}),
        ("multi_context", {"kernel": 4}),
        ("picanet_local", {"window": 6}),
        ("spatial_pyramid", {"windows": (3, 4)}),
    ],
)
def test_what_a_block_cannot_be_is_refused(name: str, options: dict):
    with pytest.raises(ValueError, match=r"odd|at least 1"):
        BLOCKS[name].make(16, **options)
