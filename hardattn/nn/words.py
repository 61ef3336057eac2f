"""Agents that speak: what they have said, which they are fed when they say the next word."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Said(NamedTuple):
    """The last word that was said, a part of the state of whoever speaks.

    An agent puts its own answer here. In training `heard` puts the true word in its place, which
    is teacher forcing (Williams & Zipser 1989). Nobody does so in evaluation, in an environment or
    in an exported graph, which know of steps alone.
    """

    word: Tensor  # (B,) int64; before the first word the number of words


def heard(state: Any, word: Tensor, over: Tensor) -> Any:
    """A state in which `word`, (B,), was said, wherever in nested tuples there is a `Said`.

    over: (B,) bool, of whom a word is over; the others have said what they have said.
    """
    if isinstance(state, Said):
        return Said(torch.where(over, word, state.word))
    if isinstance(state, tuple):
        parts = [heard(part, word, over) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    return state


class Words(nn.Module):
    """What was said last, as a vector: an embedding of the words and of silence.

    words: how many there are. width: of the vector. each: looks before each word. looks: of the
    world.
    """

    def __init__(self, words: int, width: int, each: int, looks: int):
        super().__init__()
        if each < 1 or looks % each:
            raise ValueError(f"{looks} looks are no whole number of words of {each} looks each")
        self.words, self.each, self.looks = words, each, looks
        self.embed = nn.Embedding(words + 1, width)

    def start(self, like: Tensor) -> Said:
        """Nothing was said yet, by as many as `like` has rows."""
        return Said(torch.full_like(like[:, 0], self.words, dtype=torch.int64))

    def forward(self, said: Said) -> Tensor:
        """(B, width)."""
        vectors: Tensor = self.embed(said.word)
        return vectors

    def after(self, said: Said, logits: Tensor, step: Tensor) -> Said:
        """What is said after a look: the likeliest word, if this was the last look before it."""
        look = (step * self.looks).round().long()
        over = (look + 1) % self.each == 0
        return Said(torch.where(over, logits.detach().argmax(-1), said.word))
