"""Channel attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable
from math import cos, gcd, log, log2, pi, sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.eca import kernel_for
from hardattn.blocks.fca import TOP
from hardattn.blocks.hoga import OPS, PUBLISHED
from hardattn.blocks.soca import matrix_sqrt
from hardattn.maps import Map, recorded, replaced

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[[int], int]] = {
    "se": lambda c: gate(c, max(8, c // 16)),
    "cbam_channel": lambda c: gate(c, max(8, c // 16)),
    "cbam_spatial": lambda c: 2 * 7 * 7 + 2,
    "cbam": lambda c: gate(c, max(8, c // 16)) + 2 * 7 * 7 + 2,
    "coordinate": lambda c: 8 * c + 2 * 8 + 2 * (8 * c + c),
    "danet_position": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1,
    "danet_channel": lambda c: 1,
    "danet": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1 + 1,
    "double": lambda c: 4 * c * (c // 4) + 2 * (c // 4) + c,
    "eca": lambda c: 3,  # for 8 to 127 channels
    "fca": lambda c: 2 * c * max(8, c // 16),
    "harmonious": lambda c: (
        (9 + 2 + 1 + 2) + 2 * c * max(8, c // 16) + 2 * (max(8, c // 16) + c) + c * c + 2 * c
    ),
    "high_order": lambda c: 3 * c * (c // 2) + 2 * (c // 2) + 2 * (c // 2) * c + c,
    "hoga": lambda c: (
        sum(weights_of_an_edge(name, c // 4) for node in PUBLISHED for name in node) + around(c)
    ),
    "hoga_search": lambda c: (
        10 * (sum(weights_of_an_edge(name, c // 4) for name in OPS) + len(OPS) + 1) + around(c)
    ),
    "selective_kernel": lambda c: (
        2 * (9 * c * (c // gcd(c, min(32, c // 4))) + 2 * c) + 32 * c + 2 * 32 + 64 * c
    ),
    "soca": lambda c: gate(c, max(8, c // 16)),
    "split": lambda c: 9 * c * c + 4 * c + (c + 2 + 2 * c) * max(c // 2, 32) + 2 * c,
}


def gate(c: int, units: int) -> int:
    """Two layers with biases, from c channels to some units and back."""
    return 2 * c * units + units + c


def weights_of_an_edge(name: str, c: int) -> int:
    """Of an operation of HOGA on c channels, each norm with its scale and shift."""
    gated = gate(c, max(8, c // 4))
    return {
        "skip": 0,
        "separable": 2 * (9 * c + c * c + 2 * c),
        "dilated": 9 * c + c * c + 2 * c,
        "separable_spatial": (18 + 4 + 4) + (18 + 2 + 2),
        "dilated_spatial": 18 + 2,
        "se": gated,
        "se_max": gated,
        "cbam": gated + 98 + 2,
    }[name]


def around(c: int) -> int:
    """What HOGA has beside its edges: two SE of reduction 8, two 1x1 convolutions with norms."""
    gates = sum(gate(n, max(8, n // 8)) for n in (c // 4, c))
    return gates + (c + c // 4) * c + 2 * c + c * c + 2 * c


def test_se_is_its_equation():
    torch.manual_seed(0)
    x, block = torch.randn(2, 32, 5, 4), BLOCKS["se"].make(32, reduction=4)
    with recorded(block) as maps:
        y = block(x)
    mean = x.sum((2, 3)) / 20
    middle = F.relu(mean @ block.squeeze.weight.T + block.squeeze.bias)
    gate = 1 / (1 + torch.exp(-(middle @ block.excite.weight.T + block.excite.bias)))
    torch.testing.assert_close(maps[0].tensor, gate)
    for i in range(2):
        for c in range(32):
            torch.testing.assert_close(y[i, c], x[i, c] * gate[i, c])


def images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def build(name: str, channels: int, seed: int = 0, **options: object) -> nn.Module:
    """In evaluation, with float64 weights of which none is where it started."""
    torch.manual_seed(seed)
    block = BLOCKS[name].make(channels, **options).double().eval()
    with torch.no_grad():
        for weight in block.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return block


def maps_of(block: nn.Module, x: Tensor) -> list[Map]:
    with recorded(block) as maps:
        block(x)
    return maps


def tensors_of(block: nn.Module, x: Tensor) -> list[Tensor]:
    return [one.tensor for one in maps_of(block, x)]


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "channels, kernel",
    [(8, 3), (16, 3), (32, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)],
)
def test_the_kernel_of_eca_for_powers_of_two(channels: int, kernel: int):
    assert kernel_for(channels) == kernel
    assert BLOCKS["eca"].make(channels).conv.weight.shape == (1, 1, kernel)


def test_the_kernel_of_eca_is_the_nearest_odd_number():
    for channels in range(8, 2049):
        kernel, exact = kernel_for(channels), (log2(channels) + 1) / 2
        assert kernel % 2 == 1
        assert abs(kernel - exact) <= 1


def test_eca_is_its_equation():
    x, block = images(2, 8, 3, 5), build("eca", 8, kernel=5)
    (gate,) = tensors_of(block, x)
    weight = block.conv.weight[0, 0]
    for b in range(2):
        for c in range(8):
            seen = [(k, c + k - 2) for k in range(5) if 0 <= c + k - 2 < 8]
            logit = sum(weight[k] * x[b, d].mean() for k, d in seen)
            close(gate[b, c], torch.sigmoid(logit))
    close(block(x), x * gate[:, :, None, None])


def test_the_gate_of_coordinate_attention_has_rank_one():
    x, block = images(2, 16, 7, 9), build("coordinate", 16)
    (gate,) = tensors_of(block, x)
    sizes = torch.linalg.svdvals(gate)
    assert (sizes[..., 1] < 1e-9 * sizes[..., 0]).all()
    assert (gate.std(2) > 1e-4).all() and (gate.std(3) > 1e-4).all(), "it varies along both axes"
    (other,) = tensors_of(build("cbam_spatial", 16), x)
    sizes = torch.linalg.svdvals(other)
    assert (sizes[..., 1] > 1e-3 * sizes[..., 0]).all(), "a gate of places has not, as a rule"


def test_coordinate_attention_is_its_equation():
    x, block = images(1, 16, 3, 4), build("coordinate", 16)
    (gate,) = tensors_of(block, x)
    conv, norm, _ = block.shared
    scale = norm.weight / sqrt(1 + norm.eps)
    for h in range(3):
        for w in range(4):
            logits = []
            for mean, out in (
                (x[0, :, h].mean(1), block.rows),
                (x[0, :, :, w].mean(1), block.columns),
            ):
                middle = conv.weight[:, :, 0] @ mean * scale + norm.bias
                swish = middle * (middle + 3).clamp(0, 6) / 6
                logits.append(out.weight[:, :, 0] @ swish + out.bias)
            close(gate[0, :, h, w], torch.sigmoid(logits[0]) * torch.sigmoid(logits[1]))
    close(block(x), x * gate)


def test_danet_position_is_its_equation():
    x, block = images(2, 16, 3, 4), build("danet_position", 16)
    with torch.no_grad():
        block.gamma.fill_(0.7)
    places = x.flatten(2)

    def project(conv: torch.nn.Module, column: torch.Tensor) -> torch.Tensor:
        return conv.weight[:, :, 0, 0] @ column + conv.bias

    y = block(x).flatten(2)
    for b in range(2):
        for i in range(12):
            query = project(block.query, places[b, :, i])
            scores = [query @ project(block.key, places[b, :, j]) for j in range(12)]
            weight = torch.stack(scores).softmax(0)
            values = [project(block.value, places[b, :, j]) for j in range(12)]
            attended = sum(w * v for w, v in zip(weight, values, strict=True))
            torch.testing.assert_close(y[b, :, i], places[b, :, i] + 0.7 * attended)


@pytest.mark.parametrize("scale, factor", [(None, 6**-0.5), (1.0, 1.0)])  # of 2 x 3 places
@pytest.mark.parametrize("sign, direction", [("paper", 1.0), ("released", -1.0)])
def test_channel_attention_of_danet_is_its_equation(
    sign: str, direction: float, scale: float | None, factor: float
):
    x, block = images(2, 4, 2, 3) / 2, build("danet_channel", 4, sign=sign, scale=scale)
    (weights,) = tensors_of(block, x)
    y = block(x)
    for b in range(2):
        for c in range(4):
            products = torch.stack([(x[b, c] * x[b, d]).sum() for d in range(4)])
            scores = direction * factor * products
            share = torch.exp(scores) / torch.exp(scores).sum()
            close(weights[b, 0, c], share)
            close(y[b, c], x[b, c] + block.beta * sum(share[d] * x[b, d] for d in range(4)))


def test_the_sign_of_the_paper_attends_to_itself_and_the_released_one_to_what_differs():
    x = images(3, 16, 12, 12)
    (alike,) = tensors_of(build("danet_channel", 16, sign="paper", scale=1.0), x)
    (differing,) = tensors_of(build("danet_channel", 16, sign="released"), x)
    close(alike, torch.eye(16, dtype=x.dtype).expand_as(alike))
    product = x.flatten(2) @ x.flatten(2).transpose(1, 2)
    assert torch.equal(differing[:, 0].argmax(2), product.argmin(2))
    with pytest.raises(ValueError, match="paper, released"):
        BLOCKS["danet_channel"].make(16, sign="+")


def test_energies_of_channels_do_not_grow_with_the_number_of_places():
    x = {size: images(8, 32, size, size) for size in (8, 24)}

    def entropy(size: int, **options: object) -> float:
        (weights,) = tensors_of(build("danet_channel", 32, **options), x[size])
        return float(torch.special.entr(weights).sum(-1).mean()) / log(32)

    assert abs(entropy(8) - entropy(24)) < 0.01
    assert 0.7 < entropy(24) < 0.95
    assert entropy(24, scale=1.0) < entropy(8, scale=1.0) < 0.2, "one channel is chosen"


def test_danet_adds_what_both_add():
    x, block = images(2, 16, 4, 5), build("danet", 16)
    close(block(x) - x, (block.position(x) - x) + (block.channel(x) - x))


def test_double_attention_is_its_equation():
    x, block = images(2, 8, 2, 3), build("double", 8)
    places = x.flatten(2)

    def at(conv: nn.Conv2d, b: int, p: int) -> Tensor:
        value = conv.weight[:, :, 0, 0] @ places[b, :, p]
        return value if conv.bias is None else value + conv.bias

    gathered, given = tensors_of(block, x)
    for b in range(2):
        descriptors = []
        for n in range(2):
            scores = torch.stack([at(block.gather, b, p)[n] for p in range(6)])
            share = torch.exp(scores) / torch.exp(scores).sum()
            close(gathered[b, n], share)
            descriptors.append(sum(share[p] * at(block.features, b, p) for p in range(6)))
        for p in range(6):
            scores = torch.exp(at(block.give, b, p))
            share = scores / scores.sum()
            close(given[b].flatten(1)[:, p], share)
            out = block.out.weight[:, :, 0, 0] @ sum(share[n] * descriptors[n] for n in range(2))
            close(block(x)[b].flatten(1)[:, p], places[b, :, p] + out + block.out.bias)


def test_frequency_attention_with_the_constant_alone_is_squeeze_and_excitation():
    x, fca, se = images(2, 16, 7, 9), build("fca", 16, frequencies=1), build("se", 16, seed=1)
    with torch.no_grad():
        for name in ("squeeze", "excite"):
            getattr(se, name).weight.copy_(getattr(fca, name).weight)
            getattr(se, name).bias.zero_()
        se.squeeze.weight.mul_(sqrt(7 * 9))  # of a sum over places by cosines of length one
    close(fca(x), se(x))
    assert not torch.allclose(build("fca", 16)(x), se(x))


@pytest.mark.parametrize("size", [(7, 7), (14, 7), (12, 12), (8, 9), (4, 5)])
def test_frequency_attention_is_its_equation(size: tuple[int, int]):
    height, width = size
    x, block = images(1, 32, *size), build("fca", 32, reduction=4)
    seen = torch.zeros(32, dtype=x.dtype)
    for c in range(32):
        u, v = TOP[c // 2]
        u, v = int(u * height / 7 + 1e-9), int(v * width / 7 + 1e-9)
        for h in range(height):
            for w in range(width):
                wave = cos(pi * u * (h + 0.5) / height) * cos(pi * v * (w + 0.5) / width)
                scale = (sqrt(2) if u else 1) * (sqrt(2) if v else 1) / sqrt(height * width)
                seen[c] += scale * wave * x[0, c, h, w]
    middle = F.relu(block.squeeze.weight @ seen)
    assert middle.any(), "all units are shut: nothing is tested"
    gate = torch.sigmoid(block.excite.weight @ middle)
    close(tensors_of(block, x)[0][0], gate)


@pytest.mark.parametrize(
    "size, distinct", [((7, 7), 16), ((8, 9), 16), ((12, 12), 16), ((4, 4), 9)]
)
def test_frequencies_stay_apart_on_small_maps(size: tuple[int, int], distinct: int):
    seen: list[Tensor] = []
    block = build("fca", 16)
    block.squeeze.register_forward_pre_hook(lambda module, given: seen.append(given[0][0]))
    block(images(1, 1, *size).expand(1, 16, *size))
    assert len(set(seen[0].mul(1e9).round().tolist())) == distinct


def test_frequency_attention_wants_groups_of_one_size():
    with pytest.raises(ValueError, match="24 channels"):
        BLOCKS["fca"].make(24)


def test_the_norm_of_a_spatial_gate_follows_a_hundredth_of_each_batch():
    cbam = BLOCKS["cbam"].make
    for block, share in ((cbam(16), 0.01), (cbam(16, momentum=0.1), 0.1)):
        before, x = block.spatial.norm.running_var.clone(), images(4, 16, 8, 8).float()
        seen = block.channel(x)
        seen = block.spatial.conv(torch.cat([seen.amax(1, True), seen.mean(1, True)], 1))
        block.train()(x)
        torch.testing.assert_close(
            block.spatial.norm.running_var, (1 - share) * before + share * seen.var()[None]
        )


def test_the_gate_of_harmonious_attention_is_a_product_that_is_mixed():
    x, block = images(2, 16, 7, 9), build("harmonious", 16).train()
    for _ in range(30):
        block(x)  # until the norms know what comes: before that, rectifiers may all be shut
    (gate,) = tensors_of(block.eval(), x)
    assert (gate >= 0.5).all() and (gate < 1).all(), "a rectifier comes before the sigmoid"
    close(block(x), x * gate)
    with torch.no_grad():
        conv, norm, _ = block.mix
        conv.weight.copy_(torch.eye(16)[:, :, None, None])
        norm.reset_parameters()
    (gate,) = tensors_of(block, x)
    sizes = torch.linalg.svdvals(gate.logit().flatten(2))
    assert (sizes[:, 0] > 1e-2).all()
    assert (sizes[:, 1] < 1e-9).all(), "a map of places times a vector of channels has rank one"


def test_high_order_attention_of_first_order_without_threshold_is_non_local():
    x, block = images(2, 6, 3, 2), build("high_order", 6, order=1, threshold=0)
    places = x.flatten(2)
    query, key, value = (f(x).flatten(2) for f in (block.query, block.key, block.value))
    for b in range(2):
        for i in range(6):
            scores = torch.exp(torch.stack([query[b, :, i] @ key[b, :, j] for j in range(6)]))
            heard = sum(scores[j] / scores.sum() * value[b, :, j] for j in range(6))
            out = block.out.weight[:, :, 0, 0] @ heard + block.out.bias
            close(block(x)[b].flatten(1)[:, i], places[b, :, i] + out)


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_high_order_attention_keeps_the_edges_that_weigh_enough(threshold: float):
    x = images(2, 16, 4, 5)
    (full,) = tensors_of(build("high_order", 16, threshold=0), x)
    (kept,) = tensors_of(build("high_order", 16, threshold=threshold), x)
    enough = full >= threshold / 20
    assert 0 < enough.double().mean() < 1
    assert (enough.sum(-1) > 0).all()
    assert torch.equal(kept > 0, enough)
    close(kept, full * enough / (full * enough).sum(-1, keepdim=True))


def test_high_order_attention_keeps_the_strongest_edge_always():
    x = images(2, 16, 4, 5)
    (full,) = tensors_of(build("high_order", 16, threshold=0), x)
    (kept,) = tensors_of(build("high_order", 16, threshold=1e6), x)
    close(kept, F.one_hot(full.argmax(-1), 20).double())


def test_orders_of_high_order_attention_are_numbers_of_steps():
    x, block = images(1, 4, 2, 3), build("high_order", 4, order=3)
    step = torch.roll(torch.eye(6, dtype=x.dtype), 1, 1)[None, None]  # place i asks place i + 1
    with replaced(block, lambda one: step):
        y = block(x)
    value = block.value(x).flatten(2)
    reached = torch.cat([torch.roll(value, -steps, 2) for steps in (1, 2, 3)], 1)
    close(y, x + block.out(reached.unflatten(2, (2, 3))))


def test_hoga_has_the_published_edges_and_its_equation():
    x, block = images(2, 16, 5, 4), build("hoga", 16)
    one, two, three, four = x.chunk(4, 1)
    edge = [node.edges for node in block.nodes]
    first = one
    second = edge[1][0](two) + edge[1][1](first)
    third = edge[2][0](three) + edge[2][1](first) + second
    fourth = edge[3][0](four) + first + edge[3][2](second) + edge[3][3](third)
    together = block.together(one + two + three + four)
    mixed = block.mix(torch.cat([first, second, third, fourth, together], 1))
    close(block(x), block.last(x + mixed))
    kinds = [[gate.kind for gate in maps_of(each, one)] for each in edge[2]]
    assert kinds == [["channel gate", "spatial gate"], ["full gate"], []]
    with pytest.raises(ValueError, match="4 groups"):
        BLOCKS["hoga"].make(18)


def test_a_search_that_has_decided_is_the_block_of_its_genotype():
    x, search = images(2, 16, 5, 4), build("hoga_search", 16)
    block = build("hoga", 16, seed=1)
    weights = {}
    for i, node in enumerate(PUBLISHED):
        for j, name in enumerate(node):
            mixture = search.nodes[i].edges[j]
            with torch.no_grad():
                mixture.architecture.zero_()
                mixture.architecture[list(OPS).index(name)] = 1e3
            chosen = mixture.ops[name].state_dict()
            weights |= {f"nodes.{i}.edges.{j}.{key}": value for key, value in chosen.items()}
    around = {k: v for k, v in search.state_dict().items() if not k.startswith("nodes.")}
    block.load_state_dict(weights | around)
    assert search.genotype() == PUBLISHED
    close(search(x), block(x))


def test_a_genotype_does_not_choose_nothing():
    search = build("hoga_search", 16)
    with torch.no_grad():
        for node in search.nodes:
            for mixture in node.edges:
                mixture.architecture.copy_(torch.arange(len(OPS) + 1.0))
    assert search.genotype() == tuple((list(OPS)[-1],) * n for n in (1, 2, 3, 4))
    BLOCKS["hoga"].make(16, genotype=search.genotype())


@pytest.mark.parametrize("name", ["skip", "separable", "cbam"])
def test_the_gradient_of_the_architecture_finds_an_operation(name: str):
    x = images(8, 4, 5, 5)
    edge = build("hoga_search", 16).nodes[0].edges[0]
    target = edge.ops.requires_grad_(False)[name](x)
    descent = torch.optim.Adam([edge.architecture], lr=0.2)
    for _ in range(30):
        descent.zero_grad()
        ((edge(x) - target) ** 2).mean().backward()
        descent.step()
    assert list(OPS)[int(edge.architecture[:-1].argmax())] == name


def test_selective_kernels_are_their_equation():
    x, block = images(2, 16, 6, 5), build("selective_kernel", 16)
    (weights,) = tensors_of(block, x)
    seen = [branch(x) for branch in block.branches]
    assert all(each.shape == x.shape for each in seen), "each branch has all the channels"
    linear, norm, _ = block.fuse
    mean = (seen[0] + seen[1]).mean((2, 3))
    middle = F.relu(mean @ linear.weight.T / sqrt(1 + norm.eps) * norm.weight + norm.bias)
    logits = middle @ block.select.weight.T
    for c in range(16):
        one, other = torch.exp(logits[:, c]), torch.exp(logits[:, 16 + c])
        close(weights[:, 0, c], one / (one + other))
        close(weights[:, 1, c], other / (one + other))
        share = weights[:, :, c, None, None]
        close(block(x)[:, c], share[:, 0] * seen[0][:, c] + share[:, 1] * seen[1][:, c])


@pytest.mark.parametrize("channels", [4, 16, 32, 36, 48, 128, 256])
def test_a_group_of_selective_kernels_has_four_channels_or_more(channels: int):
    for branch in BLOCKS["selective_kernel"].make(channels).branches:
        assert branch[0].weight.shape[1] >= 4
    assert BLOCKS["selective_kernel"].make(256).branches[0][0].groups == 32, "the paper's"


@pytest.mark.parametrize("branch, reach", [(0, 1), (1, 2), (2, 3)])
def test_each_branch_of_selective_kernels_sees_farther(branch: int, reach: int):
    x = images(1, 16, 9, 9).requires_grad_()
    block = build("selective_kernel", 16, branches=3, groups=1)
    (felt,) = torch.autograd.grad(block.branches[branch][0](x)[0, 0, 4, 4], x)
    rows = felt.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert rows.tolist() == [4 - reach, 4, 4 + reach]
    assert (felt.abs().sum((0, 2, 3)) > 0).all(), "from all the channels"


def test_split_attention_of_one_split_is_a_sigmoid_gate():
    x, block = images(2, 16, 6, 5), build("split", 16, radix=1)
    features = block.splits(x)
    gate = torch.sigmoid(block.excite(block.squeeze(features.mean((2, 3)))))
    close(tensors_of(block, x)[0], gate[:, None])
    close(block(x), features * gate[:, :, None, None])


def test_split_attention_is_its_equation():
    x, block = images(2, 16, 6, 5), build("split", 16)
    (weights,) = tensors_of(block, x)
    one, other = block.splits(x).chunk(2, 1)
    logits = block.excite(block.squeeze((one + other).mean((2, 3))))
    share = torch.sigmoid(logits[:, :16] - logits[:, 16:])
    close(weights, torch.stack([share, 1 - share], 1))
    share = share[:, :, None, None]
    close(block(x), share * one + (1 - share) * other)
    only_first = torch.cat([x[:, :8], torch.zeros_like(x[:, 8:])], 1)
    close(block.splits(only_first)[:, :16], one)
    assert not torch.allclose(block.splits(only_first)[:, 16:], other)
    with pytest.raises(ValueError, match="radix 2"):
        BLOCKS["split"].make(15)


def covariance(channels: int, places: int) -> Tensor:
    x = images(3, channels, places)
    x = x - x.mean(2, keepdim=True)
    return x @ x.transpose(1, 2) / places


def test_the_root_of_a_covariance_is_that_of_its_eigenvalues():
    matrix = covariance(16, 144)
    values, vectors = torch.linalg.eigh(matrix)
    root = vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT
    close(matrix_sqrt(matrix, 12), root)
    close(matrix_sqrt(matrix, 12) @ matrix_sqrt(matrix, 12), matrix)


@pytest.mark.parametrize(
    "channels, places, error", [(16, 144, 0.04), (32, 144, 0.15), (64, 64, 0.25)]
)
def test_five_iterations_give_a_root_that_is_too_small_by_as_much_as_is_said(
    channels: int, places: int, error: float
):
    matrix = covariance(channels, places)
    values, vectors = torch.linalg.eigh(matrix)
    total = values.sum(1, keepdim=True)
    root, inverse = values / total, torch.ones_like(values)
    for _ in range(5):  # in the matrix's own axes the iteration is one of numbers
        step = (3 - root * inverse) / 2
        root, inverse = root * step, inverse * step
    root = root * total.sqrt()
    found = matrix_sqrt(matrix, 5)
    close(found, vectors @ torch.diag_embed(root) @ vectors.mT)
    exact = values.clamp_min(0).sqrt()
    assert (root <= exact + 1e-9).all()
    missing = ((exact - root).norm(dim=1) / exact.norm(dim=1)).mean()
    assert 0.5 * error < missing < error


def test_second_order_attention_is_its_equation():
    x, block = images(2, 16, 4, 5), build("soca", 16, reduction=2, iterations=25)
    (gate,) = tensors_of(block, x)
    for b in range(2):
        values, vectors = torch.linalg.eigh(torch.cov(x[b].flatten(1), correction=0))
        root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
        middle = F.relu(block.squeeze.weight @ root.mean(1) + block.squeeze.bias)
        assert middle.any(), "all units are shut: nothing is tested"
        close(gate[b], torch.sigmoid(block.excite.weight @ middle + block.excite.bias))
    close(block(x), x * gate[:, :, None, None])


def test_second_order_attention_bears_an_image_without_any_variance():
    x = torch.ones(2, 16, 4, 5, dtype=torch.float64, requires_grad=True)
    build("soca", 16)(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
