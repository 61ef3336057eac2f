"""Stacked cross attention (Lee, Chen, Hua, Hu, He 2018, arXiv:1803.08024), for `matching`."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, pooled
from hardattn.nn.cells import PlacedCells
from hardattn.rollout import Decision
from hardattn.scenes import WORDS as VOCABULARY
from hardattn.world import Observation

WORDS = 7  # of a sentence of `matching`


class StackedCrossAttention(nn.Module):
    """How like sentences and pictures are: each word attends to the cells, and is compared.

    With s the cosines of words e_j and cells v_i, rectified and, cell by cell, normalised over the
    words: a_j = sum_i softmax_i(l1 s_ij) v_i, and the similarity pools cos(e_j, a_j) over words j:
    its mean, or log(sum_j exp(l2 cos)) / l2. That is text to image; the other way, "image", cells
    attend to words and are compared with what they attended to. The answer is the candidate of the
    largest similarity, (B, K). Map: the weights, (B, candidates * words, cells) of "text",
    (B, candidates * cells, words) of "image".

    One look shows everything. The context is the cue of `matching`: all words. Several sentences
    and a picture, or, `back`, a sentence and several pictures side by side.

    Departures: features are those of a small net that is learned, `PlacedCells`, for a detector's
    regions; it compares the candidates of a scene and not all of a batch, so that the hardest
    negative is among them, and of one side; cosines below 0 are cut off, where the released code
    leaves a tenth of them; sizes are small (the paper has 1024).

    Args:
        side: Who attends: the words of the text, or the cells of the image.
        pooling: How similarities are pooled: their mean, or log-sum-exp.
        sharp: The paper's lambda 1, of the softmax; by default 9 of "text", 4 of "image".
        sharp_pooling: And lambda 2, of log-sum-exp; by default 6 of "text", 5 of "image", those of
            the paper on Flickr30K.
        cell: Side of the cells of a picture, in pixels.
        width: Width of all vectors.
        named: How many classes there are; words are these and those of `captions`.
        back: Whether a picture is to be found for a sentence.
        attention: Whether to attend; otherwise all are compared with the mean, the control.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        side: Literal["text", "image"] = "text",
        pooling: Literal["mean", "lse"] = "mean",
        sharp: float | None = None,
        sharp_pooling: float | None = None,
        cell: int = 8,
        width: int = 64,
        named: int = 10,
        back: bool = False,
        attention: bool = True,
    ):
        super().__init__()
        if side not in ("text", "image") or pooling not in ("mean", "lse"):
            raise ValueError(f"side is text or image, pooling mean or lse: not {side}, {pooling}")
        self.by_words, self.pooling, self.attention = side == "text", pooling, attention
        self.sharp = sharp or (9.0 if self.by_words else 4.0)
        self.sharp_pooling = sharp_pooling or (6.0 if self.by_words else 5.0)
        self.vocabulary = named + len(VOCABULARY)
        across = math.isqrt(classes - 1) + 1 if back else 1
        self.tiles = (-(-classes // across) if back else 1), across
        self.pictures = classes if back else 1
        channels, height, width_of = glimpse
        if height % self.tiles[0] or width_of % self.tiles[1]:
            raise ValueError(f"{self.pictures} pictures do not divide an image of {glimpse}")
        shape = channels, height // self.tiles[0], width_of // self.tiles[1]
        self.encoder = PlacedCells(shape, (cell, cell), width)
        self.regions = nn.Linear(width, width)
        self.embed = nn.Embedding(self.vocabulary, width)
        self.forth, self.back = (nn.GRU(width, width, batch_first=True) for _ in range(2))
        self.map = AttentionMap("pooled query", over=(-1,))

    def start(self, context: Tensor) -> Tensor:
        return context

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        cells, words = self.seen(seen.glimpse), self.read(state)
        count = max(cells.shape[1], words.shape[1])
        cells, words = (each.expand(-1, count, -1, -1) for each in (cells, words))
        logits, nought = self.similarity(cells, words), torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)

    def seen(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, pictures, N, D), of length 1."""
        down, across = self.tiles
        tiles = image.unflatten(3, (across, -1)).unflatten(2, (down, -1))
        tiles = tiles.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)[:, : self.pictures]
        found = self.regions(self.encoder(tiles.flatten(0, 1)))
        return F.normalize(found.unflatten(0, (-1, self.pictures)), dim=-1)

    def read(self, cue: Tensor) -> Tensor:
        """(B, sentences * S) cues -> (B, sentences, S, D), of length 1: the mean of two GRUs."""
        sentences = 1 if self.pictures > 1 else -1
        word = (cue * self.vocabulary).round().long().clamp(0, self.vocabulary - 1)
        word = word.view(len(cue), sentences, WORDS)
        vectors = self.embed(word).flatten(0, 1)
        forth, back = self.forth(vectors)[0], self.back(vectors.flip(1))[0].flip(1)
        return F.normalize(((forth + back) / 2).unflatten(0, word.shape[:2]), dim=-1)

    def similarity(self, cells: Tensor, words: Tensor) -> Tensor:
        """(B, K, N, D) cells, (B, K, S, D) words, all of length 1 -> (B, K)."""
        asking, asked = (words, cells) if self.by_words else (cells, words)
        scores = (asking @ asked.transpose(2, 3)).clamp_min(0)  # (B, K, who asks, who is asked)
        scores = F.normalize(scores, dim=2)
        if not self.attention:
            scores = torch.zeros_like(scores)
        weights = (self.sharp * scores).softmax(-1)
        grid = self.encoder.grid
        shows = self.by_words and self.pictures == 1
        flat = weights.flatten(1, 2)
        flat = self.map(flat, density=pooled(*grid)) if shows else self.map(flat)
        found = flat.view_as(weights) @ asked
        like = F.cosine_similarity(asking, found, dim=-1)
        if self.pooling == "mean":
            return like.mean(-1)
        return (self.sharp_pooling * like).logsumexp(-1) / self.sharp_pooling
