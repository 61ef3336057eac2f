"""How alike two evaluations of the same scenes are, and agents whose layers were drawn anew."""

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from hardattn.evaluation.evaluate import Columns

Net = TypeVar("Net", bound=nn.Module)


def changed(one: Columns, other: Columns) -> float:
    """Share of examples whose final answer differs; of sequences, anywhere in it."""
    differ = one.answer != other.answer
    return differ.flatten(1).any(1).double().mean().item() if differ.dim() > 1 else _mean(differ)


def moved(one: Columns, other: Columns, height: int, width: int) -> float | None:
    """Mean distance in pixels between the looks that agents chose, all but the first.

    Of looks that both took; None where nothing was chosen.
    """
    taken = _taken(one) & _taken(other)
    if not taken.any() or one.location.isnan().any() or other.location.isnan().any():
        return None
    pixels = (one.location - other.location).double() * torch.tensor([width, height]) / 2
    return _mean(torch.linalg.vector_norm(pixels, dim=-1)[taken])


def seen(columns: Columns) -> Tensor:
    """(N, h, w): what was attended to, or else what the answer was read from; (N, 0, 0) if none."""
    return columns.density if columns.density.numel() else columns.activation


def map_correlation(one: Columns, other: Columns, ranks: bool = False) -> float | None:
    """Mean over images of the correlation, over cells, of their maps; None without maps.

    ranks: Spearman's. A map that is alike everywhere says nothing of another: 0.
    """
    maps = [seen(columns).double().flatten(1) for columns in (one, other)]
    if not maps[0].numel() or maps[0].shape != maps[1].shape:
        return None
    return _mean(correlation(*(map(ranked, maps) if ranks else maps)))


def looks_correlation(one: Columns, other: Columns) -> float | None:
    """Rank correlation, over images, of where each chosen look fell; mean over looks, x and y.

    1: they go the same ways; about 0: where one goes does not tell where the other does. None where
    nothing was chosen, or for fewer than three images.
    """
    taken = _taken(one) & _taken(other)
    if one.location.isnan().any() or other.location.isnan().any():
        return None
    found = []
    for look in range(1, taken.shape[1]):
        both = taken[:, look]
        if both.sum() >= 3:
            places = [columns.location[both, look].double().T for columns in (one, other)]
            found.append(correlation(*map(ranked, places)))
    return _mean(torch.cat(found)) if found else None


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """(R, N), (R, N) -> (R,): Pearson's, of each row; 0 where a row has no variance."""
    one, other = (each - each.mean(1, keepdim=True) for each in (one, other))
    scale = torch.linalg.vector_norm(one, dim=1) * torch.linalg.vector_norm(other, dim=1)
    return torch.where(scale > 0, (one * other).sum(1) / scale, 0.0)


def ranked(rows: Tensor) -> Tensor:
    """(R, N) -> the ranks in each row, from 0; equals share the mean of theirs."""
    ordered = rows.contiguous().sort(1).values
    below, upto = (
        torch.searchsorted(ordered, rows.contiguous(), right=side) for side in (False, True)
    )
    return (below + upto - 1).double() / 2


def cascade(agent: Net, fresh: nn.Module) -> Iterator[tuple[str, Net]]:
    """An agent with more and more layers replaced by those of `fresh`, from the last to the first.

    The cascading randomisation of Adebayo et al. (2018, arXiv:1810.03292). Yields the name of the
    layer that was replaced last, and one and the same agent; the one given is left as it is. A
    layer is a module that has weights of its own; the last is the one made last.
    """
    agent = copy.deepcopy(agent)
    drawn = dict(fresh.named_modules())
    layers = [
        (name, module)
        for name, module in agent.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    for name, module in reversed(layers):
        mine = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        with torch.no_grad():
            for key, value in mine:
                value.copy_(getattr(drawn[name], key))
        yield name, agent


def _taken(columns: Columns) -> Tensor:
    """(N, T) bool: looks that were taken, and chosen: the first never is."""
    look = torch.arange(columns.hit.shape[1])
    return (look > 0) & (look < columns.looks[:, None])


def _mean(values: Tensor) -> float:
    return values.double().mean().item()
