"""Figures of sentences made by hand; an oracle at the ceiling, and chance at the floor."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import load
from hardattn.distributions import Delta
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import METRICS, compute
from hardattn.evaluation.sentences import bleu, cider_of, grams, sentences
from hardattn.rollout import Decision
from hardattn.scenes import Scenes, captions, fixed_scenes
from hardattn.sensors import Retina
from hardattn.tasks import Sequence
from hardattn.world import Observation, World
from tests.support.handmade import columns

END = 5


def said(*words: str) -> Tensor:
    """Sentences of digits, padded with -1."""
    longest = max(map(len, words))
    return torch.tensor([[*map(int, each)] + [-1] * (longest - len(each)) for each in words])


def test_a_sentence_is_over_at_its_first_end() -> None:
    word = torch.tensor([[1, 2, 5, 3], [5, 1, 2, 3], [1, 2, 3, 4], [1, 2, 5, -1]])
    assert sentences(word, END).tolist() == [
        [1, 2, -1, -1],
        [-1, -1, -1, -1],
        [1, 2, 3, 4],
        [1, 2, -1, -1],
    ]
    assert grams(said("1234", "12"), 2, 10).tolist() == [[21, 32, 43], [21, -1, -1]]


def test_bleu_by_hand() -> None:
    """1 2 3 4 1 for 1 2 3 4 5: shares 4/5, 3/4, 2/3, 1/2; a word counts as often as it is true."""
    wanted = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert bleu(said("12341"), said("12345"), 10) == pytest.approx(wanted)
    # 4 of 4, 3 of 3, 2 of 2 and 1 of 1, but a word too short.
    assert bleu(said("1234"), said("12345"), 10) == pytest.approx(math.exp(1 - 5 / 4))
    # Of two sentences the counts are added up before they are divided.
    wanted = (8 / 10 * 6 / 8 * 4 / 6 * 2 / 4) ** (1 / 4)
    assert bleu(said("12349", "67899"), said("12345", "67891"), 10) == pytest.approx(wanted)
    assert bleu(said("11111"), said("12345"), 10) == 0.0


def test_cider_by_hand() -> None:
    """Three scenes; 1 is in all, and counts nothing."""
    true = said("12", "13", "13")
    assert cider_of(true, true, 10) == pytest.approx(10 * 2 / 4)  # there are no longer n-grams
    # The first says 1 3 for 1 2: nothing that it says is right and rare. The second adds a word.
    rare = math.log(3 / 2)
    ones = rare**2 / (rare * math.hypot(rare, math.log(3 / 1)))
    found = cider_of(said("13", "132", "13"), true, 10)
    # The second: 3 is right, 2 is as rare as one true sentence makes it; so is the pair 3 2.
    pairs = rare**2 / (rare * math.hypot(rare, math.log(3)))
    assert found == pytest.approx(10 * (0 + (ones + pairs) / 4 + 2 / 4) / 3)


class Parrot:
    """Says what it was given, whatever it sees."""

    def __init__(self, word: Tensor, words: int):
        self.logits = 9.0 * F.one_hot(word.clamp_min(0), words)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        look = int((seen.step[0] * self.logits.shape[1]).round())
        nought = torch.zeros_like(seen.step)
        here = torch.zeros_like(seen.location)
        return state, Decision(Delta(here), self.logits[:, look], nought, nought)


def measured(word: Tensor, scenes: Scenes) -> Columns:
    world = World(Retina(6), Sequence(16), 10, first="centre")
    return evaluate(Parrot(word, 16), world, scenes, batch=len(scenes))


def test_an_oracle_is_at_the_ceiling_and_chance_at_the_floor() -> None:
    scenes = fixed_scenes(partial(captions, canvas=32, across=2), load("digits").test, seed=1)
    found = compute(measured(scenes.target, scenes))
    assert found["error"] == 0 and found["token_accuracy"] == found["bleu_4"] == 1
    # Those of two images have no more than 7 words, those of three 10: all have four in a row.
    assert found["cider"] == pytest.approx(10)
    chance = torch.randint(16, scenes.target.shape, generator=torch.Generator().manual_seed(0))
    floor = compute(measured(chance, scenes))
    assert floor["error"] == 1 and floor["token_accuracy"] == pytest.approx(1 / 16, abs=0.02)
    assert floor["bleu_4"] < 0.05 and floor["cider"] < 1
    common = compute(measured(scenes.target[:1].expand(len(scenes), -1), scenes))
    assert 0.3 < common["token_accuracy"] < 0.7 and common["cider"] < 3


def test_who_is_asked_for_no_sentence_has_none_of_these() -> None:
    for name in ("token_accuracy", "bleu_4", "cider", "grounding"):
        assert METRICS[name](columns()) is None
