"""Updates of several RAMs as one, as `hardattn train --seeds` has them."""

from collections.abc import Callable, Sequence

from hardattn.training.stacked import Stacked

from .learner import Learner

SEEDS = 8


def together(batch: int, device: str = "cpu", capture: bool | None = None) -> Callable[[], None]:
    """A function of which each call is an update of SEEDS RAMs, with a batch for each."""
    learners = [Learner("ram", batch, device=device, updates=1000) for _ in range(SEEDS)]
    return updating(learners, capture)


def updating(learners: Sequence[Learner], capture: bool | None = None) -> Callable[[], None]:
    """A function of which each call is an update of each of them."""
    stack = Stacked()
    for one in learners:
        one.how = {"ranks": stack, "capture": capture}

    def update() -> None:
        for found in stack.run([one.update for one in learners]):
            if found is not None:
                raise found

    return update
