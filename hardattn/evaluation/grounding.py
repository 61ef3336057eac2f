"""Does a word look at its object? How far the looks before it lie on the box that it names."""

import torch
from torch import Tensor

from hardattn.evaluation.localisation import energy
from hardattn.maps import Map
from hardattn.scenes import Scenes, inside
from hardattn.sensors import Grid
from hardattn.world import World


def grounded(world: World, place: Tensor, scenes: Scenes, maps: list[Map]) -> Tensor:
    """(B, S): for each word of the true sentence the share of attention that lies in its box.

    Of points, the share of the word's looks that fall there; of weights over cells, and of maps
    that a layer records at each look, the mean share of their weight. NaN where a word names
    nothing, and where nobody attends anywhere; (B, 0) of scenes without sentences.

    place: (T, B, P), where the looks fell.
    """
    if not scenes.named.numel():
        return scenes.box.new_zeros(len(scenes), 0)
    named = scenes.named.cpu()
    looks, count = place.shape[:2]
    each = looks // named.shape[1]
    which = named.repeat_interleave(each, 1)  # (B, T)
    row = torch.arange(count)[:, None]
    box = scenes.box.cpu()[row, which.clamp_min(0)]  # (B, T, 4)
    at = attended(world, place, maps)
    if at is not None:
        at, flat = at.transpose(0, 1).cpu(), box.flatten(0, 1)[:, None]
        share = energy(at.flatten(0, 1), flat).view(count, looks)
    elif world.sensor.everything:
        share = torch.full((count, looks), torch.nan)
    else:
        point = world.point(place).transpose(0, 1).cpu()
        share = inside(point.flatten(0, 1), box.flatten(0, 1)[:, None]).view(count, looks)
    share = share.to(box.dtype).masked_fill(which < 0, torch.nan)
    return share.unflatten(1, (-1, each)).mean(-1)


def attended(world: World, place: Tensor, maps: list[Map]) -> Tensor | None:
    """(T, B, h, w): where each look attended; None where there are no maps of that.

    What a layer records once for every look, the last of such layers, or weights over cells.
    """
    looks = len(place)
    by_name: dict[str, list[Tensor]] = {}
    for one in maps:
        if one.kind != "gradient" and (density := one.density) is not None:
            by_name.setdefault(one.name, []).append(density)
    told = [each for each in by_name.values() if len(each) == looks]
    if told and looks > 1:
        return torch.stack(told[-1])
    return world.sensor.density(place) if isinstance(world.sensor, Grid) else None
