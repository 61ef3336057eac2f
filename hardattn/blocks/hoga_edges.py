"""The gates of many edges of a HOGA cell at once: the channels of all edges side by side."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


def gates(ops: dict[str, list[Any]], x: Tensor) -> dict[str, Tensor]:
    """The gate of each operation of E edges on (B, E, C, H, W), as far as it is one.

    ops: by the name of an operation, that of each edge. Each gate can be multiplied with x, and
    went through the AttentionMap of its operation.
    """
    count, wide = x.shape[1], x.flatten(1, 2)
    mean, most = x.mean((3, 4)), x.amax((3, 4))
    seen = _seen(x)
    found = {}
    for name in ("separable", "dilated"):
        made = side_by_side([op.net for op in ops[name]], wide).unflatten(1, (count, -1))
        found[name] = _heard(ops[name], made.sigmoid())
    for name in ("separable_spatial", "dilated_spatial"):
        made = side_by_side([op.net for op in ops[name]], seen)
        found[name] = _heard(ops[name], made.sigmoid()[:, :, None])
    squeeze, excite = ([getattr(op, of) for op in ops["se"]] for of in ("squeeze", "excite"))
    found["se"] = _heard(ops["se"], _linear(excite, F.relu(_linear(squeeze, mean))).sigmoid())
    found["se_max"] = _channel_gate(ops["se_max"], mean, most)
    channel = _channel_gate([op.channel for op in ops["cbam"]], mean, most)
    spatial = [op.spatial for op in ops["cbam"]]
    nets = [(op.conv, op.norm) for op in spatial]
    narrowed = side_by_side(nets, _seen(x * channel[..., None, None])).sigmoid()
    found["cbam"] = channel[..., None, None] * _heard(spatial, narrowed[:, :, None])
    return {name: one if one.dim() == 5 else one[..., None, None] for name, one in found.items()}


def side_by_side(nets: Sequence[Any], x: Tensor) -> Tensor:
    """Nets of one form, each on channels of its own: (B, E C, H, W) -> (B, E D, H, W)."""
    for layers in zip(*nets, strict=True):
        first = layers[0]
        if isinstance(first, nn.Conv2d):
            weight, groups = torch.cat([each.weight for each in layers]), len(layers) * first.groups
            form = first.stride, first.padding, first.dilation
            x = F.conv2d(x, weight, None, *form, groups)  # type: ignore[arg-type]
        elif isinstance(first, nn.BatchNorm2d):
            x = _norm(layers, x)
        else:
            x = first(x)
    return x


def _norm(norms: Sequence[Any], x: Tensor) -> Tensor:
    """Batch norms, each of channels of its own, with what they keep of a batch in training."""
    first = norms[0]
    if "forward" in vars(first):  # somebody normalises otherwise: by a batch in several processes
        parts = x.split(first.num_features, 1)
        return torch.cat([each(part) for each, part in zip(norms, parts, strict=True)], 1)
    kept: list[list[Tensor]] = [[each.running_mean for each in norms]]
    kept.append([each.running_var for each in norms])
    mean, variance = map(torch.cat, kept)
    weight, bias = (torch.cat([getattr(each, of) for each in norms]) for of in ("weight", "bias"))
    made = F.batch_norm(x, mean, variance, weight, bias, first.training, first.momentum, first.eps)
    if first.training:
        with torch.no_grad():
            for old, new in zip(kept, (mean, variance), strict=True):
                torch._foreach_copy_(old, new.split(first.num_features))
            torch._foreach_add_([each.num_batches_tracked for each in norms], 1)
    return made


def _linear(layers: Sequence[Any], x: Tensor) -> Tensor:
    """(B, E, D) -> (B, E, M), each of E by a layer of its own."""
    weight = torch.stack([each.weight for each in layers])
    bias = torch.stack([each.bias for each in layers])
    return torch.baddbmm(bias[:, None], x.transpose(0, 1), weight.mT).transpose(0, 1)


def _channel_gate(ops: Sequence[Any], mean: Tensor, most: Tensor) -> Tensor:
    """The gates of CBAM over channels: (B, E, C)."""
    both = torch.cat([mean, most])
    hidden = F.relu(_linear([op.mlp[0] for op in ops], both))
    of_mean, of_most = _linear([op.mlp[2] for op in ops], hidden).chunk(2)
    return _heard(ops, (of_mean + of_most).sigmoid())


def _seen(x: Tensor) -> Tensor:
    """(B, E, C, H, W) -> (B, 2 E, H, W): the largest and the mean channel of each edge."""
    return torch.stack([x.amax(2), x.mean(2)], 2).flatten(1, 2)


def _heard(ops: Sequence[Any], gate: Tensor) -> Tensor:
    """(B, E, ...) gates, as they come back from the maps of their operations."""
    maps: list[AttentionMap] = [op.map for op in ops]
    if not any(each.heard for each in maps):
        return gate
    return torch.stack([each(one) for each, one in zip(maps, gate.unbind(1), strict=True)], 1)
