"""One conformance test over all decoders, and what each of them is by its equations."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.decoders import DECODERS, ClassFeature, Inference, Region, Reverse
from hardattn.decoders.decoder import Join, borders, each_place, enlarged
from hardattn.decoders.pyramid import edges
from hardattn.decoders.region import between
from hardattn.maps import recorded, replaced

DEEP, FINE, MAPS = 8, 4, 5


def features(count: int = 3, height: int = 5, width: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    deep = torch.rand(count, DEEP, height, width, generator=generator)
    return deep, torch.rand(count, FINE, 2 * height - 1, 2 * width, generator=generator)


def truth(count: int = 3) -> Tensor:
    return torch.randint(-1, MAPS, (count, 9, 8), generator=torch.Generator().manual_seed(2))


def made(name: str) -> Any:
    torch.manual_seed(0)
    return DECODERS[name](DEEP, FINE, MAPS)


@pytest.mark.parametrize("name", DECODERS)
def test_keeps_the_contract(name: str) -> None:
    """Shapes, of odd sides, too; all weights learn; no image knows of another."""
    decoder, (deep, fine) = made(name), features()
    answers = decoder(deep, fine)
    assert answers[0].shape == (3, MAPS, 9, 8)
    asked = truth()
    loss = decoder.instructed(answers, asked)
    assert loss.shape == (3,) and loss.isfinite().all()
    assert bool(loss.any()) == (name != "plain")
    (each_place(answers[0], asked) + loss).sum().backward()
    for weight_name, weight in decoder.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), weight_name
        assert weight.grad.abs().max() > 0, weight_name
    decoder.eval()
    whole = decoder(deep, fine)
    assert torch.equal(whole[0], decoder(deep, fine)[0])
    for b in range(3):
        alone = decoder(deep[b : b + 1], fine[b : b + 1])
        for one, all_of in zip(alone, whole, strict=True):
            assert torch.allclose(one[0], all_of[b], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "plain"])
def test_its_map_is_recorded_and_can_be_replaced(name: str) -> None:
    decoder, (deep, fine) = made(name).eval(), features()
    with recorded(decoder) as maps:
        whole = decoder(deep, fine)[0]
    assert maps and all(one.density is None or one.density.ndim == 3 for one in maps)
    with replaced(decoder, lambda one: one.tensor.flip(-1)):
        other = decoder(deep, fine)[0]
    assert not torch.allclose(whole, other)


def test_the_loss_is_the_mean_over_what_is_asked() -> None:
    logits, asked = torch.randn(3, MAPS, 9, 8), truth()
    for b in range(3):
        each = [
            -logits[b, :, y, x].log_softmax(0)[asked[b, y, x]].item()
            for y in range(9)
            for x in range(8)
            if asked[b, y, x] >= 0
        ]
        assert each_place(logits, asked)[b].item() == pytest.approx(sum(each) / len(each), abs=1e-5)
    assert not each_place(logits, torch.full_like(asked, -1)).any()


def test_borders_lie_on_both_sides() -> None:
    square = torch.zeros(1, 5, 5, dtype=torch.int64)
    square[0, 1:3, 1:4] = 2
    found = borders(square)[0].int().tolist()
    assert found == [
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]


def test_edges_of_a_step_are_where_it_is() -> None:
    step = torch.zeros(1, 1, 4, 6)
    step[..., 3:] = 1.0
    assert torch.allclose(edges(step)[0, 0, 1], torch.tanh(torch.tensor([0, 0, 1.0, 1.0, 0, 0])))


def test_join_enlarges_deep_features() -> None:
    deep, fine = features()
    assert enlarged(fine, fine) is fine and enlarged(deep, fine).shape == (3, DEEP, 9, 8)
    assert Join(DEEP, FINE, 6)(deep, fine).shape == (3, 6, 9, 8)


def test_class_features_are_those_of_the_centres() -> None:
    """Where the coarse answer is certain, a place gets the mean of its class."""
    decoder, (deep, fine) = made("class_feature").eval(), features(1)
    assert isinstance(decoder, ClassFeature)
    belongs = F.one_hot(truth(1).clamp_min(0), MAPS).movedim(3, 1).float()
    with replaced(decoder, lambda one: belongs):
        answer = decoder(deep, fine)[0]
    x = decoder.join(deep, fine)
    given = torch.zeros_like(x)
    for label in range(MAPS):
        here = belongs[0, label].bool()
        given[0, :, here] = x[0, :, here].mean(1, keepdim=True)
    wanted = decoder.answer(decoder.fuse(torch.cat([x, given], 1)))
    assert torch.allclose(answer, wanted, atol=1e-5)


def test_reverse_attention_is_direct_less_what_speaks_against() -> None:
    decoder, (deep, fine) = made("reverse").eval(), features()
    assert isinstance(decoder, Reverse)
    answer, direct, against = decoder(deep, fine)
    assert torch.allclose(answer, direct - torch.sigmoid(-direct) * against)
    asked = truth()
    wanted = each_place(direct, asked) + each_place(-against, asked)
    assert torch.allclose(decoder.instructed((answer, direct, against), asked), wanted)


def test_guided_attention_is_right_where_maps_are_masks() -> None:
    """Nothing to pay for what is classified, hidden and shown as it is there."""
    decoder = made("inference")
    assert isinstance(decoder, Inference)
    asked = truth(2).clamp_min(0)
    mask = torch.stack([asked == label for label in range(1, MAPS)], 1).float()
    there = mask.amax((2, 3))
    sure = 30 * (2 * there - 1)
    answers = torch.zeros(2, MAPS, 9, 8), sure, torch.full_like(sure, -30.0), mask
    assert torch.allclose(decoder.instructed(answers, asked), torch.zeros(2), atol=1e-6)
    missed = (*answers[:3], torch.zeros_like(mask))
    wanted = (mask.mean((2, 3)) * there).sum(1) / there.sum(1)
    assert torch.allclose(decoder.instructed(missed, asked), wanted, atol=1e-6)


def test_the_line_between_two_places_goes_both_ways() -> None:
    line = between(3, 4, torch.device("cpu"))
    assert line.shape == (12, 12, 4)
    assert line[0, 3].tolist() == [0, 1, 2, 3]
    assert line[4, 4].tolist() == [4] * 4
    for one in range(12):
        for other in range(12):
            there, back = line[one, other], line[other, one]
            assert there[0] == one and there[-1] == other and back[0] == other


def test_a_border_parts_regions_and_so_does_a_class() -> None:
    decoder = made("region")
    assert isinstance(decoder, Region)
    coarse, border = torch.zeros(1, MAPS, 3, 5), torch.full((1, 1, 3, 5), -30.0)
    border[..., 2] = 30.0  # a wall, third of five columns
    together = decoder.together(coarse, border)[0].view(3, 5, 3, 5)
    assert (together[:, :2, :, :2] > 0.99).all() and (together[:, 3:, :, 3:] > 0.99).all()
    assert (together[:, :2, :, 3:] < 0.01).all() and (together[:, 2] < 0.01).all()
    coarse[:, 1, :2] = 30.0
    coarse[:, 2, 2:] = 30.0  # two classes, above and below
    together = decoder.together(coarse, torch.full_like(border, -30.0))[0].view(3, 5, 3, 5)
    assert (together[:2, :, :2] > 0.99).all() and (together[:2, :, 2:] < 0.01).all()


def test_each_region_is_spoken_for_once() -> None:
    """Of two regions the larger speaks first; who belongs to one hears that one alone."""
    decoder = made("region")
    decoder.speakers = 2
    with torch.no_grad():
        for linear in (decoder.ask, decoder.tell, decoder.speak):
            linear.weight.zero_()
            linear.bias.zero_()
    which = torch.tensor([0, 0, 0, 1, 1])
    together = (which[:, None] == which).float()[None]
    seen = torch.randn(1, 5, DEEP)
    heard = decoder.spoken(together, seen)[0]
    assert torch.allclose(heard[:3], seen[0, :1].expand(3, -1))
    assert torch.allclose(heard[3:], seen[0, 3:4].expand(2, -1))
