"""One conformance test over every block and head, of soft and of stochastic attention."""

import copy
import io
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS, HEADS, Entry
from hardattn.maps import CONTROLS, KINDS, AttentionMap, Map, charged, recorded, replaced
from hardattn.noise import noise_from

CLASSES = 5
CHANNELS = (16, 32, 48)
SIZES = ((8, 8), (7, 9), (12, 10))  # even, odd, not square
ROWS: dict[str, Entry] = {f"block {name}": row for name, row in BLOCKS.items()}
ROWS |= {f"head {name}": row for name, row in HEADS.items()}
EVERYONE = list(ROWS)
TABLE = "its row in hardattn/attention.py"
DIMENSIONS = {
    "channel gate": (2,),
    "spatial gate": (4,),
    "full gate": (4,),
    "pairwise": (4,),
    "pooled query": (3,),
    "local": (4, 5),
    "codes": (4,),
    "branch": (3,),
    "geometric": (2, 4),
    "gradient": (4,),
    "deviation": (4,),
}


def build(who: str, channels: int = 16, seed: int = 0) -> nn.Module:
    """A block or head in evaluation, float64, no weight exactly 0: it is awake."""
    torch.manual_seed(seed)
    given = (channels,) if who.startswith("block") else (channels, CLASSES)
    return ROWS[who].make(*given).double().eval()


def awake(block: nn.Module) -> nn.Module:
    """The same after something was learned: what starts at zero has moved."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in block.parameters():
            noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.add_(0.1 * noise)
    return block


def attending(who: str) -> nn.Module:
    """Awake, and in the mode in which it attends."""
    return awake(build(who)).train(ROWS[who].training_only)


def images(channels: int = 16, size: tuple[int, int] = (8, 8), count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, *size, generator=generator, dtype=torch.float64)


def again(block: nn.Module, x: Tensor) -> Tensor:
    """The output, with the same noise whenever it is asked."""
    torch.manual_seed(3)
    return block(x)


# Of a new row a formula is welcome, as WEIGHTS in its own test file, and not asked for: that
# weights are there and learn, is.
FORMULAS: dict[str, Callable[..., int]] = {}
for room in ("blocks", "stochastic"):
    for path in sorted((Path(__file__).parents[1] / room).glob("test_*.py")):
        if path != Path(__file__):
            module = import_module(f"tests.hardattn.{room}.{path.stem}")
            family: dict[str, Callable[..., int]] = getattr(module, "WEIGHTS", {})
            assert not FORMULAS.keys() & family.keys()
            FORMULAS |= family


def test_a_formula_is_of_a_row_that_there_is():
    assert FORMULAS.keys() <= BLOCKS.keys() | HEADS.keys()


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("who", [who for who in EVERYONE if who.split()[1] in FORMULAS])
def test_there_are_as_many_weights_as_the_equations_say(who: str, channels: int):
    name = who.split()[1]
    expected = FORMULAS[name](channels, *([CLASSES] if name in HEADS else []))
    assert sum(weight.numel() for weight in build(who, channels).parameters()) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("who", EVERYONE)
def test_shapes(who: str, channels: int, size: tuple[int, int]):
    x = images(channels, size, count=2)
    before = x.clone()
    y = awake(build(who, channels))(x)
    assert y.shape == (x.shape if who.startswith("block") else (2, CLASSES))
    assert y.isfinite().all()
    assert torch.equal(x, before), "the input was written to"


@pytest.mark.parametrize("who", EVERYONE)
def test_an_image_does_not_leak_into_its_neighbours(who: str):
    block, x = awake(build(who)), images()
    other = torch.cat([x[:1], 5 * x[1:].flip(0)])
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
    close(block(other)[:1], block(x)[:1])
    close(block(x[:1]), block(x)[:1])
    assert torch.equal(block(x), block(x)), "evaluation is not deterministic"


@pytest.mark.parametrize("who", EVERYONE)
def test_every_weight_gets_a_gradient(who: str):
    block, x = awake(build(who)).train(), images(count=6).requires_grad_()
    torch.manual_seed(4)
    with charged() as costs:
        y = block(x)
    generator = torch.Generator().manual_seed(5)
    target = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    loss = (y * target).sum() + sum(cost.sum() for cost in costs)
    loss.backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    for name, weight in block.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, f"{name} gets no gradient"


@pytest.mark.parametrize("who", EVERYONE)
def test_noise_in_training_comes_from_the_generator_that_is_given(who: str):
    """And from nowhere else: torch's global one is anybody's, another thread's too."""
    block, x = awake(build(who)).train(), images()
    state, made = copy.deepcopy(block.state_dict()), []
    for seed in (1, 2):
        block.load_state_dict(state)
        torch.manual_seed(seed)
        with noise_from(torch.Generator().manual_seed(5)):
            made.append(block(x))
    assert torch.equal(*made)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("who", EVERYONE)
def test_maps_are_what_they_say(who: str, size: tuple[int, int]):
    block, x = attending(who), images(size=size)
    with recorded(block) as maps:
        y = again(block, x)
    assert maps, f"{who} declares no map: pass it through an AttentionMap of its own"
    for one in maps:
        assert one.kind in KINDS, f"{one.kind!r} is in no row of KINDS in hardattn/maps.py"
        assert one.tensor.dim() in DIMENSIONS[one.kind]
        assert len(one.tensor) == len(x)
        if one.over:
            assert all(axis < 0 for axis in one.over)
            total = one.tensor.sum(one.over)
            torch.testing.assert_close(total, torch.ones_like(total))
            assert (one.tensor >= 0).all()
        density = one.density
        if density is not None:
            assert density.shape[0] == len(x) and density.dim() == 3
            assert density.isfinite().all() and (density >= 0).all()
            assert (density.flatten(1).amax(1) > 0).any()
    assert torch.equal(again(block, x), y), "recording changed the output"


@pytest.mark.parametrize("who", EVERYONE)
def test_maps_can_be_replaced(who: str):
    block, x = attending(who), images()
    y = again(block, x)
    with replaced(block, lambda one: one.tensor):
        torch.testing.assert_close(again(block, x), y)
    if any(True for one in _maps(block, x) if one.kind == "gradient"):
        return  # made from the answer, not on the way to it
    with replaced(block, CONTROLS["foreign"]):
        assert not torch.allclose(again(block, x), y), "the map that is declared is not used"
    with replaced(block, CONTROLS["mean"]):
        assert again(block, x).shape == y.shape


def _maps(block: nn.Module, x: Tensor) -> list[Map]:
    with recorded(block) as maps:
        again(block, x)
    return maps


@pytest.mark.parametrize("who", [who for who, row in ROWS.items() if row.training_only])
def test_what_attends_in_training_only_is_the_identity_in_evaluation(who: str):
    block, x = awake(build(who)), images()
    with recorded(block) as maps:
        assert torch.equal(block(x), x)
    assert not maps
    assert not torch.allclose(again(block.train(), x), x)


@pytest.mark.parametrize("name", [name for name in BLOCKS if not BLOCKS[name].training_only])
def test_who_starts_as_the_identity_says_so_and_moves(name: str):
    block, x, says = build(f"block {name}"), images(), BLOCKS[name].identity_at_start
    starts = torch.allclose(again(block, x), x)
    assert starts == says, f"identity_at_start is {starts} of {name}: mend {TABLE}"
    if not says:
        return
    block.train()
    descent = torch.optim.SGD(block.parameters(), lr=0.1)
    target = torch.roll(x, 1, 2)
    for step in range(3):
        torch.manual_seed(step)
        descent.zero_grad()
        ((block(x) - target) ** 2).mean().backward()
        descent.step()
    assert not torch.allclose(again(block.eval(), x), x), "it stays the identity"


@pytest.mark.parametrize("who", EVERYONE)
def test_evaluation_changes_nothing(who: str):
    block, x = awake(build(who)), images()
    before = copy.deepcopy(block.state_dict())
    block(x)
    for name, value in block.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("who", EVERYONE)
def test_half_precision_is_finite(who: str):
    block = awake(build(who)).to(torch.bfloat16)
    y = block(4 * images().to(torch.bfloat16))
    assert y.dtype == torch.bfloat16 and y.isfinite().all()


@pytest.mark.parametrize("who", EVERYONE)
def test_saved_and_loaded_it_is_the_same(who: str):
    block, x = awake(build(who)), images()
    file = io.BytesIO()
    torch.save(block.state_dict(), file)
    file.seek(0)
    other = build(who, seed=7)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(again(other, x), again(block, x))


# What an nn.LSTM keeps beside its weights is told of, and nothing is wrong with it.
@pytest.mark.filterwarnings("ignore:The tensor attributes.*_flat_weights:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("who", EVERYONE)
def test_it_can_be_exported(who: str):
    block, x = awake(build(who)).float(), images().float()
    if ROWS[who].export:
        pytest.skip(ROWS[who].export)
    exported = torch.export.export(block, (x,)).module()
    torch.testing.assert_close(exported(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("who", EVERYONE)
def test_the_device_does_not_matter(who: str):
    block, x = awake(build(who)), images()
    here = block(x)
    torch.testing.assert_close(block.cuda()(x.cuda()).cpu(), here)


def test_a_leak_across_the_batch_is_caught():
    class Leaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.softmax(x.mean((2, 3)), 0)[:, :, None, None]

    x, block = images(), Leaks()
    other = torch.cat([x[:1], 5 * x[1:].flip(0)])
    assert not torch.allclose(block(other)[:1], block(x)[:1])


def test_listeners_are_nested_and_leave_nothing_behind():
    x = images()
    block = build("block se")
    with recorded(block) as outer:
        with recorded(block) as inner:
            block(x)
        block(x)
    assert len(inner) == 1 and len(outer) == 2
    with replaced(block, CONTROLS["mean"]), recorded(block) as maps:
        block(x)
    torch.testing.assert_close(maps[0].tensor.std(0), torch.zeros(16, dtype=torch.float64))
    given = torch.rand(2, 3)
    assert AttentionMap("channel gate")(given) is given
