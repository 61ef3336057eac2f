"""Random numbers that are a pure function of a row's key: a generator for every scene of a batch.

A torch.Generator deals out one row of numbers to a whole batch, so that what a scene becomes
depends on how many others are made with it. `CounterRNG` stands in for one wherever scenes are
made: row i reads the SplitMix64 sequence (Steele et al. 2014, doi:10.1145/2714064.2660195) that its
own key starts, and nothing else.
"""

from functools import lru_cache

import torch
from torch import Tensor

STEP = 0x9E3779B97F4A7C15 - 2**64  # as an int64, whose arithmetic wraps around
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


def mixed(state: Tensor) -> Tensor:
    """SplitMix64's finaliser: int64 of any shape -> int64 that look like 64 random bits each."""
    state = (state ^ (state >> 30 & (1 << 34) - 1)) * FIRST
    state = (state ^ (state >> 27 & (1 << 37) - 1)) * SECOND
    return state ^ (state >> 31 & (1 << 33) - 1)


def apart(seed: int, count: int) -> list[int]:
    """Seeds that begin with this one, for environments of which other seeds share none.

    The others are `mix(seed, 1)`, `mix(seed, 2)` and so on. Neighbouring numbers
    would not do: those from s on and those from s + 1 on have all in common but one.
    """
    start = mixed(torch.tensor(_wrapped(seed)) + STEP)
    rest = mixed(start + torch.arange(1, count) + STEP)
    return [seed, *(rest >> 1 & (1 << 63) - 1).tolist()]


def _wrapped(number: int) -> int:
    """A number modulo 2**64, as an int64 has it."""
    return (number + 2**63) % 2**64 - 2**63


class CounterRNG:
    """One stream a row. Every draw has as many rows as there are keys, and moves all of them on."""

    def __init__(self, key: Tensor):
        self.key, self.device = key, key.device
        self.drawn = 0  # numbers handed out, of each row,
        self.ready = key.new_empty(len(key), 0)  # and those that come next
        self.more = 4

    def bits(self, *shape: int) -> Tensor:
        """The next numbers of each row, (B, ...) int64."""
        count = torch.Size(shape[1:]).numel()
        if count > self.ready.shape[1]:
            # Some are made ahead, because many cost hardly more than one.
            more = max(count, self.more)
            number = torch.arange(self.drawn + 1, self.drawn + more + 1, device=self.device)
            self.ready, self.more = mixed(self.key[:, None] + number * STEP), 2 * more
        taken, self.ready = self.ready[:, :count], self.ready[:, count:]
        self.drawn += count
        return taken.reshape(shape)


Generator = torch.Generator | CounterRNG


def below(
    bound: int, shape: tuple[int, ...], generator: Generator | None, device: torch.device
) -> Tensor:
    """Uniform integers from 0 up to bound - 1, for bounds of at most 2**31."""
    if isinstance(generator, CounterRNG):
        return (generator.bits(*shape) >> 33 & (1 << 31) - 1) * bound >> 31
    return torch.randint(bound, shape, generator=generator, device=device)


def uniform(
    low: float,
    high: float,
    shape: tuple[int, ...],
    generator: Generator | None,
    device: torch.device,
) -> Tensor:
    """Uniform numbers from low up to high."""
    if isinstance(generator, CounterRNG):
        share = generator.bits(*shape) >> 40 & (1 << 24) - 1
        return low + share.to(torch.get_default_dtype()) * ((high - low) / 2**24)
    return torch.empty(shape, device=device).uniform_(low, high, generator=generator)


def mix(*numbers: int) -> int:
    """A seed from several numbers: SplitMix64's finaliser (Steele et al. 2014), chained."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1


def seed_all(seed: int, device: torch.device) -> None:
    """Seed the global generators of the CPU and of this device, as `torch.manual_seed` does.

    That keeps, where there is no GPU, a stack trace of every call for the day there is one.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def shuffled(
    count: int, update: int, batch: int, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(batch,) indices of update k in an endless row of fresh permutations of all images."""
    parts: list[Tensor] = []
    position, end = update * batch, (update + 1) * batch
    while position < end:
        epoch, offset = divmod(position, count)
        whole = _permutation(count, mix(seed, epoch, 3), device)
        parts.append(whole[offset : offset + end - position])
        position += len(parts[-1])
    return parts[0] if len(parts) == 1 else torch.cat(parts)


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, device: torch.device | str) -> Tensor:
    # Copied to the device once an epoch: every copy makes the host wait.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(device)
