"""Worlds whose costs are counted."""

from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World

LOOKS = World(Retina(4, 2), Classify(10), 5)


ONCE = World(Whole(), Classify(10), 1, first="centre")


# Below, multiplications by hand, from the papers' layers at the sizes of tests/support/agents.py:
# images of 12x12, three looks, ten classes. An operation is half of a multiplication with its sum.
H, WHAT, WHERE, K, T, CELLS = 12, 9, 7, 10, 3, 9
