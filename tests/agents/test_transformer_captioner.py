"""The Transformer that says a word a look says what it would if all words were there at once."""

import torch
from torch import Tensor

from hardattn.agents import TransformerCaptioner
from hardattn.maps import recorded
from hardattn.nn.words import heard
from hardattn.world import Observation

LOOKS, WORDS, WIDTH = 5, 7, 16


def seen(look: int, count: int = 3) -> Observation:
    step = torch.full((count,), look / LOOKS)
    return Observation(torch.zeros(count, 1, 16, 16), torch.zeros(count, 2), step)


def made(**options: bool) -> TransformerCaptioner:
    torch.manual_seed(0)
    return TransformerCaptioner(
        (1, 16, 16), WORDS, context=(1, 16, 16), looks=LOOKS, width=WIDTH, heads=2, **options
    ).eval()


def said(agent: TransformerCaptioner, image: Tensor, words: Tensor) -> Tensor:
    """(T, B, K) logits, fed these words, (B, T)."""
    state, logits = agent.start(image), []
    for look in range(LOOKS):
        state, decision = agent.step(state, seen(look))
        logits.append(decision.logits)
        state = heard(state, words[:, look], torch.ones(3, dtype=torch.bool))
    return torch.stack(logits)


@torch.no_grad()
def test_word_by_word_is_all_at_once_behind_a_mask() -> None:
    """The same layers, with torch's own attention over all words and a causal mask."""
    agent = made()
    image, words = torch.rand(3, 1, 16, 16), torch.randint(WORDS, (3, LOOKS))
    found = said(agent, image, words)
    cells = agent.norm_cells(agent.encoding(agent.encoder(image)))
    before = torch.cat([torch.full((3, 1), WORDS), words[:, :-1]], 1)
    place = torch.arange(LOOKS)
    x = agent.words.embed(before) + agent.positions(place, image)

    def attend(heads: torch.nn.Module, asking: Tensor, known: Tensor, causal: bool) -> Tensor:
        parts = [heads.query(asking), *heads.known(known).chunk(2, 2)]  # type: ignore[operator]
        query, key, value = (one.unflatten(2, (2, -1)).transpose(1, 2) for one in parts)
        mixed = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=causal
        )
        return heads.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[operator]

    for layer in agent.layers:
        y = layer.norms[0](x)
        x = x + attend(layer.own, y, y, True)
        x = x + attend(layer.cross, layer.norms[1](x), cells, False)
        x = x + layer.mlp(layer.norms[2](x))
    wanted = agent.output(agent.norm(x)).transpose(0, 1)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_word_knows_of_no_later_one() -> None:
    agent, image = made(), torch.rand(3, 1, 16, 16)
    words = torch.randint(WORDS, (3, LOOKS))
    other = words.clone()
    other[:, 2] = (other[:, 2] + 1) % WORDS
    one, two = said(agent, image, words), said(agent, image, other)
    assert torch.equal(one[:3], two[:3]) and not torch.allclose(one[3:], two[3:])


def test_maps_are_of_each_word_and_alike_without_attention() -> None:
    for attention in (True, False):
        agent = made(attention=attention)
        with recorded(agent) as maps:
            said(agent, torch.rand(3, 1, 16, 16), torch.zeros(3, LOOKS, dtype=torch.int64))
        assert len(maps) == 2 * LOOKS and maps[0].tensor.shape == (3, 2, 4)
        assert torch.allclose(maps[0].tensor.sum(-1), torch.ones(3, 2))
        assert torch.allclose(maps[-1].tensor, torch.full((3, 2, 4), 0.25)) != attention
