"""Self-attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.clustered import k_means
from hardattn.blocks.multi_head import sinusoids
from hardattn.blocks.smyrf import asymmetric, equal_parts
from hardattn.maps import recorded

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "axial": lambda c: 2 * (c * 2 * c + (2 * 16 + 1) * 2 * (c // 4) + 2 * (2 * c + 3 * 4 + 2 * c)),
    "clustered": lambda c: 4 * c * c + 2 * c,
    "criss_cross": lambda c: 2 * c * (c // 8) + c // 8 + c * c + c + 1,
    "efficient": lambda c: 4 * c * (c // 2) + c,
    "multi_head": lambda c: 4 * c * c + 2 * c,
    "non_local": lambda c: 4 * c * (c // 2) + 2 * c,
    "non_local_sparse": lambda c: 9 * c * (c // 4) + c // 4 + c * c + c,
    "random_features": lambda c: 4 * c * c + 2 * c + c,
    "sagan": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1,
    "smyrf": lambda c: 4 * c * c + 2 * c,
    "stand_alone": lambda c: 3 * c * c + 2 * 7 * (c // 2),
    "x_linear": lambda c: (
        4 * (c * c + c + 2 * c)
        + 2 * (c // 4) * (c // 8)
        + 2 * (c // 8)
        + c // 4
        + 2 * c * c
        + c
        + 2 * c
    ),
}


def build(name: str, channels: int = 16, **options: Any) -> nn.Module:
    """A block in evaluation, float64, in which nothing is at its start."""
    torch.manual_seed(0)
    block = BLOCKS[name].make(channels, **options).double().eval().requires_grad_(False)
    for weight in block.parameters():
        weight.add_(0.3 * torch.randn_like(weight))
    return block


def image(channels: int = 16, height: int = 3, width: int = 4, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, height, width, generator=generator, dtype=torch.float64)


def queries_and_keys(places: int = 30, count: int = 2, heads: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    both = torch.randn(2, count, heads, places, 4, generator=generator, dtype=torch.float64)
    return both[0], both[1]


def shares(scores: dict[int, Tensor]) -> dict[int, Tensor]:
    """A softmax by hand, over those that are there."""
    most = max(float(score) for score in scores.values())
    risen = {j: torch.exp(score - most) for j, score in scores.items()}
    total = sum(risen.values())
    return {j: score / total for j, score in risen.items()}


def attend(query: Tensor, key: Tensor, value: Tensor, sees: Callable[[int, int], bool]) -> Tensor:
    """(N, d), (N, d), (N, D) -> (N, D): place i attends to the places j that it sees."""
    rows = []
    for i in range(len(query)):
        weights = shares({j: query[i] @ key[j] for j in range(len(key)) if sees(i, j)})
        rows.append(sum(weight * value[j] for j, weight in weights.items()))
    return torch.stack(rows)


def everything(i: int, j: int) -> bool:
    return True


def places(x: Tensor) -> Tensor:
    """(C, H, W) -> (N, C)."""
    return x.flatten(1).T


def pointwise(conv: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution of one image, as a matrix: (C, H, W) -> (N, D)."""
    y = places(x) @ conv.weight[:, :, 0, 0].T
    return y if conv.bias is None else y + conv.bias


def shuffled(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the block makes of shuffled places, and its output shuffled."""
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(3))
    mixed = x.flatten(2)[:, :, order].view(x.shape)
    return block(mixed), block(x).flatten(2)[:, :, order].view(x.shape)


def test_multi_head_is_its_equation():
    block, x = build("multi_head", heads=2, positions=False), image()
    for one, y in zip(x, block(x), strict=True):
        tokens = F.layer_norm(places(one), (16,), block.norm.weight, block.norm.bias)
        query, key, value = (tokens @ matrix.T for matrix in block.project.weight.chunk(3))
        heads = [
            attend(q / 8**0.5, k, v, everything)
            for q, k, v in zip(query.split(8, 1), key.split(8, 1), value.split(8, 1), strict=True)
        ]
        torch.testing.assert_close(places(y - one), torch.cat(heads, 1) @ block.out.weight.T)


def test_only_positions_tell_places_apart():
    x = image(height=5)
    torch.testing.assert_close(*shuffled(build("multi_head", positions=False), x))
    mixed, after = shuffled(build("multi_head"), x)
    assert not torch.allclose(mixed, after, rtol=0.01, atol=0.01)


def test_positions_are_those_of_the_equation_in_two_dimensions():
    wave = sinusoids(3, 5, 16, torch.zeros((), dtype=torch.float64)).view(3, 5, 16)
    for row in range(3):
        for column in range(5):
            for i in range(4):
                rate = 10000 ** (-i / 4)
                angles = torch.tensor([row * rate, column * rate], dtype=torch.float64)
                expected = torch.stack([angles.sin(), angles.cos()], 1).flatten()
                torch.testing.assert_close(wave[row, column, i::4], expected, atol=1e-6, rtol=0)
    alike = torch.cdist(wave.flatten(0, 1), wave.flatten(0, 1)) < 0.1
    assert torch.equal(alike, torch.eye(15, dtype=torch.bool))


@pytest.mark.parametrize(
    "name, options, exact",
    [
        ("clustered", {"clusters": 12}, True),
        ("clustered", {"clusters": 99}, True),
        ("clustered", {"clusters": 11}, False),
        ("clustered", {"clusters": 3, "top": 12}, True),
        ("clustered", {"clusters": 3, "top": 11}, False),
        ("smyrf", {"clusters": 1}, True),
        ("smyrf", {"clusters": 2}, False),
    ],
)
def test_in_the_limit_it_is_full_attention(name: str, options: dict[str, int], exact: bool):
    full, x = build("multi_head"), image()
    block = build(name, **options)
    block.load_state_dict(full.state_dict(), strict=False)
    assert torch.allclose(block(x), full(x), rtol=1e-9, atol=1e-9) == exact
    assert torch.allclose(block.train()(x), full(x), rtol=1e-9, atol=1e-9) == exact


def test_k_means_is_lloyds_algorithm():
    points = queries_and_keys(places=14)[0][0, 0]
    centres = [points[number * 14 // 5] for number in range(5)]
    for _ in range(3):
        nearest = [min(range(5), key=lambda c: float((p - centres[c]).norm())) for p in points]
        for c in range(5):
            mine = [p for p, n in zip(points, nearest, strict=True) if n == c]
            centres[c] = sum(mine) / len(mine)
    nearest = [min(range(5), key=lambda c: float((p - centres[c]).norm())) for p in points]
    expected = F.one_hot(torch.tensor(nearest), 5).double()
    assert torch.equal(k_means(points[None, None], 5, 3)[0, 0], expected)
    assert not torch.equal(k_means(points[None, None], 5, 0)[0, 0], expected)


def test_a_centre_that_nobody_is_nearest_to_stays_where_it_is():
    points = torch.tensor([0.0, 0.0, 4.0, 5.0])[:, None]
    member = k_means(points, 4, 2)
    assert torch.equal(
        member, torch.tensor([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )


@pytest.mark.parametrize("top", [0, 3])
def test_clustered_weights_are_those_of_the_centroid_and_in_its_top_keys_each_querys_own(top: int):
    query, key = queries_and_keys(places=12)
    block = build("clustered", clusters=4, rounds=2, top=top)
    weights, member = block.weights(query, key), k_means(query, 4, 2).argmax(-1)
    for b, h in ((0, 0), (1, 3)):
        for i in range(12):
            mine = query[b, h, member[b, h] == member[b, h, i]]
            shared = shares({j: mine.mean(0) @ key[b, h, j] / 2 for j in range(12)})
            best = sorted(shared, key=lambda j: float(shared[j]))[12 - top :]
            own = shares({j: query[b, h, i] @ key[b, h, j] / 2 for j in best}) if top else {}
            mass = sum(shared[j] for j in best)
            expected = [mass * own[j] if j in own else shared[j] for j in range(12)]
            torch.testing.assert_close(weights[b, h, i], torch.stack(expected))


def test_smyrf_turns_products_into_distances():
    query, key = queries_and_keys()
    ours, theirs = asymmetric(query, key)
    most = (query.norm(dim=-1).amax(-1) ** 2 + key.norm(dim=-1).amax(-1) ** 2)[..., None, None]
    expected = 2 * most - 2 * query @ key.transpose(2, 3)
    torch.testing.assert_close(torch.cdist(ours, theirs) ** 2, expected)


def test_smyrf_clusters_are_runs_of_the_sorted_hashes_and_equal_up_to_one():
    generator = torch.Generator().manual_seed(4)
    hashed = torch.randn(3, 2, 30, generator=generator)
    for clusters in (1, 4, 7, 30):
        part = equal_parts(hashed, clusters)
        size = part.sum(-2)
        assert torch.equal(part.sum(-1), torch.ones(3, 2, 30))
        assert size.max() - size.min() <= (30 % clusters > 0)
        number = part.argmax(-1).gather(-1, hashed.argsort(-1))
        assert (number.diff() >= 0).all()


def test_smyrf_merges_its_hashings_by_their_normalisers():
    query, key = queries_and_keys(places=10)
    block = build("smyrf", clusters=3, hashes=3)
    weights = block.weights(query, key)
    ours, theirs = (points @ block.directions for points in asymmetric(query, key))
    scores = query @ key.transpose(2, 3) / 2
    for b, h in ((0, 1), (1, 2)):
        parts = []
        for n in range(3):
            rank = [each[b, h, :, n].argsort().argsort() * 3 // 10 for each in (ours, theirs)]
            together = rank[0][:, None] == rank[1]
            parts.append(scores[b, h].masked_fill(~together, -torch.inf))
        each = torch.stack(parts)
        share = each.logsumexp(-1).softmax(0)
        torch.testing.assert_close(weights[b, h], (share[..., None] * each.softmax(-1)).sum(0))


@pytest.mark.parametrize("name", ["smyrf", "non_local_sparse", "random_features"])
def test_noise_is_drawn_anew_in_training_and_fixed_in_evaluation(name: str):
    block, x = build(name), image(height=12, width=12)
    again = BLOCKS[name].make(16).double()
    for ours, theirs in zip(block.buffers(), again.buffers(), strict=True):
        assert torch.equal(ours, theirs), "the noise of evaluation depends on the seed"
    assert torch.equal(block(x), block(x))
    block.train()
    torch.manual_seed(5)
    first = block(x)
    assert not torch.equal(block(x), first)
    torch.manual_seed(5)
    assert torch.equal(block(x), first)


def test_random_features_tend_to_softmax_like_one_over_the_root_of_their_number():
    query, key = queries_and_keys(places=20, count=1)
    exact = (F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).transpose(2, 3)).softmax(-1)

    def error(features: int) -> float:
        block = BLOCKS["random_features"].make(16, features=features).double().train()
        torch.manual_seed(6)
        found = torch.stack([block.weights(query, key).detach() for _ in range(40)])
        return float((found - exact).square().mean().sqrt())

    scaled = [error(features) * features**0.5 for features in (64, 256, 1024)]
    assert max(scaled) < 1.1 * min(scaled)
    assert scaled[0] / 64**0.5 < 0.25 / 20


def test_there_are_as_many_random_features_as_the_authors_have():
    assert BLOCKS["random_features"].make(32).noise.shape == (4, 8, 64)


def test_random_features_are_linear_attention_of_sines_and_cosines():
    query, key = queries_and_keys(places=9)
    block = build("random_features", features=8)
    weights = block.weights(query, key)

    def feature(h: int, u: Tensor) -> Tensor:
        angle = (u / u.norm() * block.scale[h, :, 0]) @ block.noise[h]
        return torch.cat([angle.sin(), angle.cos()]) / 8**0.5

    for h in range(4):
        ours, theirs = (torch.stack([feature(h, u) for u in each[0, h]]) for each in (query, key))
        for i in range(9):
            kernel = theirs @ ours[i]
            torch.testing.assert_close(weights[0, h, i], kernel / max(1.0, float(kernel.sum())))


@pytest.mark.parametrize("name", ["non_local", "sagan"])
def test_dense_attention_is_its_equation(name: str):
    block, x = build(name), image()
    for one, y in zip(x, block(x), strict=True):
        if name == "sagan":
            q, k, v = (pointwise(f, one) for f in (block.query, block.key, block.value))
            expected = block.gamma * attend(q, k, v, everything)
        else:
            q, k, v = (pointwise(f, one) for f in (block.theta, block.phi, block.g))
            given = attend(q, k, v, everything) @ block.out.weight[:, :, 0, 0].T
            expected = given / (1 + 1e-5) ** 0.5 * block.norm.weight + block.norm.bias
        torch.testing.assert_close(places(y - one), expected)


@pytest.mark.parametrize("size, chunk", [((4, 5), 4), ((5, 5), 4), ((4, 5), 7), ((4, 5), 99)])
def test_sparse_non_local_attends_to_its_chunk_and_the_next_in_each_hashing(
    size: tuple[int, int], chunk: int
):
    block, x = build("non_local_sparse", chunk=chunk, hashes=3, scale=0.7), image(16, *size)
    count = size[0] * size[1]
    chunks = max(1, count // chunk)
    for one, u, v, y in zip(x, block.match(x), block.value(x), block(x), strict=True):
        u, v = places(u), places(v)
        scores = u @ (u / u.norm(dim=1, keepdim=True)).T
        parts = []
        for direction in block.directions:
            bucket = torch.cat([u @ direction, -u @ direction], 1).argmax(1).tolist()
            order = sorted(range(count), key=lambda i: (bucket[i], i))
            mine = {i: rank * chunks // count for rank, i in enumerate(order)}
            near = [
                [(mine[i] - mine[j] + 1) % chunks <= 2 for j in range(count)] for i in range(count)
            ]
            parts.append(scores.masked_fill(~torch.tensor(near), -torch.inf))
        each = torch.stack(parts)
        share = each.logsumexp(-1).softmax(0)
        weights = (share[..., None] * each.softmax(-1)).sum(0)
        assert (weights == 0).any() == (chunks > 3)
        torch.testing.assert_close(places(y - one), 0.7 * weights @ v)


def test_x_linear_is_its_equations():
    block, x = build("x_linear", heads=2), image()
    pool = block.pool

    def embed(embedding: nn.Module, u: Tensor) -> Tensor:
        u = embedding.linear(u)
        u = torch.where(u > 0, u, 1.3 * (torch.exp(u / 1.3) - 1)).view(2, 8)
        u = (u - u.mean(1, keepdim=True)) / (u.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        return u.flatten() * embedding.norm.weight + embedding.norm.bias

    for one, y in zip(x, block(x), strict=True):
        mean, answer = places(one).mean(0), []
        asked, valued = embed(pool.key_query, mean), embed(pool.value_query, mean)
        for head in (slice(0, 8), slice(8, 16)):
            joint = [
                pool.joint((embed(pool.key, u) * asked)[head]).clamp_min(0) for u in places(one)
            ]
            weights = shares({i: pool.spatial(b)[0] for i, b in enumerate(joint)})
            gate = torch.sigmoid(pool.channel(sum(joint) / 12))
            values = [(embed(pool.value, u) * valued)[head] for u in places(one)]
            answer.append(gate * sum(weight * values[i] for i, weight in weights.items()))
        for u, found in zip(places(one), places(y), strict=True):
            passed = u + block.join(torch.cat([*answer, u])).clamp_min(0)
            torch.testing.assert_close(found, block.norm(passed))


def test_efficient_attention_is_a_distribution_over_places_that_is_never_written_out():
    block, x = build("efficient"), image()
    with recorded(block) as maps:
        y = block(x)
    taken, pooled = maps[0].tensor.flatten(2), maps[1].tensor
    weights = taken.transpose(1, 2) @ pooled
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 12, dtype=torch.float64))
    for one, row, found in zip(x, weights, y, strict=True):
        q, k = pointwise(block.query, one), pointwise(block.key, one)
        for i in range(12):
            for j in range(12):
                by = sum(
                    torch.exp(q[i, c]) / torch.exp(q[i]).sum() * torch.exp(k[j, c]) / total
                    for c, total in enumerate(torch.exp(k).sum(0))
                )
                torch.testing.assert_close(row[i, j], by)
        given = row @ pointwise(block.value, one)
        expected = given @ block.out.weight[:, :, 0, 0].T + block.out.bias
        torch.testing.assert_close(places(found - one), expected)


def crosses(i: int, j: int, width: int = 4) -> bool:
    return i // width == j // width or i % width == j % width


def test_criss_cross_is_attention_under_the_mask_of_a_cross():
    block, x = build("criss_cross"), image()
    expected = x
    for _ in range(2):
        given = []
        for one in expected:
            q, k, v = (pointwise(f, one) for f in (block.query, block.key, block.value))
            given.append(attend(q, k, v, crosses).T.view(one.shape))
        expected = expected + block.gamma * torch.stack(given)
    torch.testing.assert_close(block(x), expected)


def test_a_place_hears_of_its_cross_in_one_round_and_of_everything_in_two():
    for rounds in (1, 2):
        block, x = build("criss_cross", rounds=rounds), image(count=1).requires_grad_()
        block(x)[0, :, 1, 2].sum().backward()
        heard = (x.grad[0] != 0).any(0).flatten().tolist()
        assert heard == [rounds == 2 or crosses(6, j) for j in range(12)]


def test_axial_attention_is_attention_under_the_mask_of_a_line_with_offsets():
    axis = build("axial", heads=2, span=1).columns
    x, tables = image(height=4, width=3), axis.offsets.split([4, 4, 8], 1)

    def normed(norm: nn.Module, value: Tensor, channel: slice | int) -> Tensor:
        return value / (1 + 1e-5) ** 0.5 * norm.weight[channel] + norm.bias[channel]

    for one, y in zip(x, axis(x), strict=True):
        all_of = normed(axis.norm, pointwise(axis.project, one), slice(None)).view(12, 2, 16)
        q, k, v = all_of.split([4, 4, 8], 2)
        for i in range(12):
            for h in range(2):
                line = [j for j in range(12) if j % 3 == i % 3]
                r = {j: max(-1, min(1, j // 3 - i // 3)) + 1 for j in line}
                scores = {
                    j: normed(axis.norm_scores, q[i, h] @ k[j, h], h)
                    + normed(axis.norm_scores, q[i, h] @ tables[0][r[j]], 2 + h)
                    + normed(axis.norm_scores, k[j, h] @ tables[1][r[j]], 4 + h)
                    for j in line
                }
                weights = shares(scores)
                content = sum(weights[j] * v[j, h] for j in line)
                position = sum(weights[j] * tables[2][r[j]] for j in line)
                here = slice(8 * h, 8 * h + 8)
                there = slice(16 + 8 * h, 24 + 8 * h)
                expected = normed(axis.norm_values, content, here)
                expected = expected + normed(axis.norm_values, position, there)
                torch.testing.assert_close(places(y)[i, here], expected)


def test_axial_attention_along_rows_is_that_along_columns_of_the_turned_image():
    block, x = build("axial"), image(height=5)
    block.rows.load_state_dict(block.columns.state_dict())
    with recorded(block) as maps:
        along = block.rows(x)
        turned = block.columns(x.transpose(2, 3)).transpose(2, 3)
    torch.testing.assert_close(along, turned)
    assert maps[0].density is not None and maps[1].density is not None
    torch.testing.assert_close(maps[0].density, maps[1].density.transpose(1, 2))


def test_stand_alone_attention_is_a_loop_over_windows():
    block, x = build("stand_alone", heads=2, window=3), image(height=4, width=5)
    for one, y in zip(x, block(x), strict=True):
        q, k, v = pointwise(block.project, one).view(20, 3, 2, 8).unbind(1)
        for row in range(4):
            for column in range(5):
                for h in range(2):
                    i, scores = 5 * row + column, {}
                    for down in (-1, 0, 1):
                        for right in (-1, 0, 1):
                            if 0 <= row + down < 4 and 0 <= column + right < 5:
                                j = i + 5 * down + right
                                r = [block.rows[h, down + 1], block.columns[h, right + 1]]
                                scores[j] = q[i, h] @ (k[j, h] + torch.cat(r))
                    expected = sum(w * v[j, h] for j, w in shares(scores).items())
                    found = (y - one)[8 * h : 8 * h + 8, row, column]
                    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["axial", "criss_cross", "multi_head", "stand_alone"])
def test_what_places_get_is_what_places_give(name: str):
    block = build(name)
    with recorded(block) as maps:
        block(image())
    for one in maps:
        assert one.density is not None
        torch.testing.assert_close(one.density.sum((1, 2)), torch.ones(2, dtype=torch.float64))


def test_a_cross_counts_what_each_place_gets():
    block, x = build("criss_cross", rounds=1), image(count=1)
    with recorded(block) as maps:
        block(x)
    got = torch.zeros(12, dtype=torch.float64)
    q, k = (pointwise(f, x[0]) for f in (block.query, block.key))
    for i in range(12):
        for j, w in shares({j: q[i] @ k[j] for j in range(12) if crosses(i, j)}).items():
            got[j] += w / 12
    assert maps[0].density is not None
    torch.testing.assert_close(maps[0].density.flatten(), got)


@pytest.mark.parametrize(
    "name, channels, options",
    [
        ("multi_head", 18, {}),
        ("multi_head", 16, {"heads": 3}),
        ("axial", 12, {}),
        ("stand_alone", 12, {}),
        ("stand_alone", 16, {"window": 4}),
        ("x_linear", 18, {}),
    ],
)
def test_what_cannot_be_divided_is_refused(name: str, channels: int, options: dict[str, int]):
    with pytest.raises(ValueError, match=r"channels|middle"):
        BLOCKS[name].make(channels, **options)
