"""The recipes: `hardattn train NAME`. Each says what to expect, and was measured."""

from ..recipe import Recipe
from . import cells, digits
from .captions import CAPTIONING
from .catch import CATCH_RECIPES
from .circle_square import CIRCLE_SQUARE_RECIPES
from .clips import CLIPS
from .clustering import CLUSTERING
from .cluttered import CLUTTERED
from .equal import EQUAL
from .examples import EXAMPLES
from .expected import expecting
from .fixations import FIXATING
from .folder import FOLDER
from .information import INFORMED
from .masks import AT_PLACES
from .mnist import FASHION, MNIST, MRAM, TRANSLATED_60
from .pairs import PAIRS
from .patches import CHOOSING
from .pretraining import PRETRAINED
from .proposals import PROPOSING
from .sb3 import SB3
from .soft import AT_ONCE
from .tokens import SELECTING

_ALL: dict[str, Recipe] = {
    **digits.DIGITS.members("digits"),
    **digits.LOOKING,
    **cells.ATTENDING,
    **digits.CONTROLS,
    **cells.CONTROLS,
    **CLUTTERED,
    **SB3,
    **MNIST.members("mnist"),
    **TRANSLATED_60.members("translated-60"),
    **FASHION.members("fashion"),
    **MRAM,
    **PAIRS,
    **CIRCLE_SQUARE_RECIPES,
    **CATCH_RECIPES,
    **AT_ONCE,
    **AT_PLACES,
    **CLUSTERING,
    **CLIPS,
    **PRETRAINED,
    **SELECTING,
    **CHOOSING,
    **INFORMED,
    **PROPOSING,
    **FIXATING,
    **CAPTIONING,
    **FOLDER,
    **EXAMPLES,
    **EQUAL,
}

RECIPES: dict[str, Recipe] = expecting(_ALL)
