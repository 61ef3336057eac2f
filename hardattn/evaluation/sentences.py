"""How good sentences are, beside whether they are right: functions of `Columns` of `captions`.

Words are numbers. What is said counts up to the first end, which itself is no word; so does the
one sentence that is true of a scene. None where nobody asks for sentences.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns

LONGEST = 4  # words of an n-gram, at most


def token_accuracy(columns: Columns) -> float | None:
    """Share of right words, place by place, the end among them; each is said after its own."""
    if not columns.grounded.numel():
        return None
    asked = columns.target >= 0
    return (columns.answer == columns.target)[asked].double().mean().item()


def grounding(columns: Columns) -> float | None:
    """Share of attention that lies on what a word of the true sentence names, as it is to be said.

    Of points the share of looks; of maps the share of their weight. The mean over the words that
    name something; None without attention.
    """
    found = columns.grounded[~columns.grounded.isnan()]
    return found.double().mean().item() if len(found) else None


def bleu_4(columns: Columns) -> float | None:
    """BLEU-4 (Papineni et al. 2002) of all sentences together, one true one each, not smoothed.

    exp(min(0, 1 - r / c)) times the geometric mean of the shares of n-grams, of 1 to 4 words, that
    the true sentence has as well, each as often as it has it there; c words are said, r are true.
    """
    return _of_sentences(columns, bleu)


def cider(columns: Columns) -> float | None:
    """CIDEr (Vedantam et al. 2015, arXiv:1411.5726), times 10: how like the true sentence it is.

    The mean, over n-grams of 1 to 4 words, of the cosines of their counts, each multiplied by the
    logarithm of how many scenes there are for one whose true sentence has it. So what is in every
    sentence counts nothing. One true sentence a scene, and no stemming: these words have no forms.
    """
    return _of_sentences(columns, cider_of)


def _of_sentences(
    columns: Columns, measure: Callable[[Tensor, Tensor, int], float]
) -> float | None:
    if not columns.grounded.numel():
        return None
    words = columns.log_probability.shape[2] - 1
    return measure(sentences(columns.answer, words), sentences(columns.target, words), words)


def sentences(word: Tensor, end: int) -> Tensor:
    """(N, S) words -> the same, -1 from the first end on, and where a word is none."""
    return word.masked_fill(((word == end) | (word < 0)).cumsum(1) > 0, -1)


def grams(said: Tensor, many: int, words: int) -> Tensor:
    """(N, S - many + 1) int64: a number for each n-gram of so many words; -1 where it is none."""
    parts = said.unfold(1, many, 1) if many <= said.shape[1] else said[:, :0, None]
    power = words ** torch.arange(many, device=said.device)
    return torch.where((parts >= 0).all(-1), (parts * power).sum(-1), -1)


class Counts(NamedTuple):
    """Of each n-gram of a sentence, (N, G): how often it is there, and in another sentence.

    Both 0 where there is none, or where it was there before.
    """

    own: Tensor
    other: Tensor


def counts(gram: Tensor, other: Tensor) -> Counts:
    """(N, G) n-grams, and those of the other sentence of the same scene -> how often they occur."""
    same = gram[:, :, None] == gram[:, None]
    again = same.tril(-1).any(2) | (gram < 0)
    there = (gram[:, :, None] == other[:, None]).sum(2)
    return Counts(*(each.masked_fill(again, 0).double() for each in (same.sum(2), there)))


def bleu(said: Tensor, true: Tensor, words: int) -> float:
    """(N, S) sentences, -1 where they are over, of so many words -> `bleu_4`."""
    logs = []
    for many in range(1, LONGEST + 1):
        found = counts(*(grams(each, many, words) for each in (said, true)))
        shared = torch.minimum(found.own, found.other).sum().item()
        if not shared:
            return 0.0
        logs.append(math.log(shared / found.own.sum().item()))
    length, wanted = ((each >= 0).sum().item() for each in (said, true))
    return math.exp(min(0.0, 1 - wanted / length) + sum(logs) / LONGEST)


def cider_of(said: Tensor, true: Tensor, words: int) -> float:
    """(N, S) sentences, -1 where they are over, of so many words -> `cider`."""
    total = torch.zeros(len(said), dtype=torch.float64)
    for many in range(1, LONGEST + 1):
        own, wanted = (grams(each, many, words) for each in (said, true))
        mine, theirs = counts(own, wanted), counts(wanted, own)
        kinds, scenes = wanted[theirs.own > 0].unique(return_counts=True)
        if not len(kinds):
            continue
        weights = []
        for gram in (own, wanted):
            at = torch.searchsorted(kinds, gram).clamp_max(len(kinds) - 1)
            with_it = torch.where(kinds[at] == gram, scenes[at], 1)
            weights.append((len(true) / with_it.double()).log())
        shared = (mine.own * mine.other * weights[0] ** 2).sum(1)
        norms = [
            (each.own * weight).norm(dim=1)
            for each, weight in zip((mine, theirs), weights, strict=True)
        ]
        total += shared / (norms[0] * norms[1]).clamp_min(torch.finfo(torch.float64).tiny)
    return 10 * (total / LONGEST).mean().item()
