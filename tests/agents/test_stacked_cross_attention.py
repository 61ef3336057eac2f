"""Stacked cross attention: its equations, word by word, and both ways round."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from hardattn.agents import StackedCrossAttention
from hardattn.experiments import build
from hardattn.experiments.recipe import Spec
from hardattn.maps import recorded
from hardattn.problem import problem
from hardattn.sensors import Whole
from hardattn.world import Observation


def made(classes: int = 3, **options: object) -> StackedCrossAttention:
    torch.manual_seed(0)
    return StackedCrossAttention((1, 16, 16), classes, width=8, **options).eval()  # type: ignore


@pytest.mark.parametrize("side, sharp, pooled", [("text", 9.0, 6.0), ("image", 4.0, 5.0)])
@pytest.mark.parametrize("pooling", ["mean", "lse"])
def test_similarities_are_those_of_the_paper(
    side: str, sharp: float, pooled: float, pooling: str
) -> None:
    agent = made(side=side, pooling=pooling)
    cells = F.normalize(torch.randn(2, 3, 4, 8), dim=-1)
    words = F.normalize(torch.randn(2, 3, 7, 8), dim=-1)
    found = agent.similarity(cells, words)
    v, e = cells[1, 2], words[1, 2]
    asking, asked = (e, v) if side == "text" else (v, e)
    s = torch.tensor([[max(float(a @ b), 0.0) for b in asked] for a in asking])
    s = s / s.norm(dim=0).clamp_min(1e-12)
    likeness = []
    for j, one in enumerate(asking):
        weights = (sharp * s[j]).exp() / (sharp * s[j]).exp().sum()
        mean = sum(w * b for w, b in zip(weights, asked, strict=True))
        likeness.append(torch.cosine_similarity(one, mean, dim=0))
    like = torch.stack(likeness)
    wanted = like.mean() if pooling == "mean" else (pooled * like).exp().sum().log() / pooled
    assert torch.allclose(found[1, 2], wanted, atol=1e-5)


def test_pictures_side_by_side_are_seen_one_by_one() -> None:
    """The way back compares each as it would be compared alone."""
    torch.manual_seed(1)
    pictures = torch.rand(5, 1, 16, 16)
    agent = StackedCrossAttention((1, 32, 48), 5, width=8, back=True).eval()
    rows = [torch.cat([*pictures[:3]], 2), torch.cat([*pictures[3:], torch.zeros(1, 16, 16)], 2)]
    seen = torch.cat(rows, 1)[None]
    cue = torch.rand(1, 7)
    observed = Observation(seen, torch.zeros(1, 2), torch.zeros(1))
    logits = agent.step(agent.start(cue), observed)[1].logits
    alone = StackedCrossAttention((1, 16, 16), 1, width=8).eval()
    alone.load_state_dict(agent.state_dict())
    for number in range(5):
        observed = Observation(pictures[number][None], torch.zeros(1, 2), torch.zeros(1))
        wanted = alone.step(alone.start(cue), observed)[1].logits[0, 0]
        assert torch.allclose(logits[0, number], wanted, atol=1e-5)


def test_without_attention_every_word_is_shown_the_mean() -> None:
    agent = made(attention=False)
    observed = Observation(torch.rand(2, 1, 16, 16), torch.zeros(2, 2), torch.zeros(2))
    with recorded(agent) as maps:
        agent.step(torch.rand(2, 21), observed)
    assert torch.allclose(maps[0].tensor, torch.full((2, 21, 4), 0.25))
    assert maps[0].density is not None and maps[0].density.shape == (2, 2, 2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="side is text or image"):
        made(side="both")
    with pytest.raises(ValueError, match="20 pictures do not divide"):
        made(20, back=True)


def test_a_dataset_of_more_classes_has_a_word_for_each() -> None:
    """Words are numbers over how many there are, so that who counts them wrong merges some."""
    classes = [str(number) for number in range(23)]
    options: dict[str, Any] = {"canvas": 16, "looks": 1, "context": "cue"}
    world = problem("matching", Whole(), classes, (1, 4, 4), **options).world
    agent: Any = build.agent(
        Spec("stacked_cross_attention", cell=4, width=8), (1, 16, 16), world, (1, 16, 16)
    )
    assert world.named == 23 and agent.embed.num_embeddings == agent.vocabulary == 29
    words = torch.arange(29) / 29
    assert torch.equal((words * agent.vocabulary).round().long(), torch.arange(29))
