"""Scenes: what an image becomes before anyone looks."""

from hardattn.scenes.canvas import CELLS as CELLS
from hardattn.scenes.captions import WORDS as WORDS, captions as captions
from hardattn.scenes.majority import majority as majority
from hardattn.scenes.makers import (
    PLACES as PLACES,
    apart as apart,
    circle_square as circle_square,
    cluttered as cluttered,
    localise as localise,
    pair as pair,
    plain as plain,
    search as search,
    sequence as sequence,
    translated as translated,
)
from hardattn.scenes.matching import matching as matching
from hardattn.scenes.scene import (
    MakeScenes as MakeScenes,
    Scenes as Scenes,
    concatenate as concatenate,
    fixed_scenes as fixed_scenes,
    inside as inside,
)
from hardattn.scenes.transforms import (
    add_clutter as add_clutter,
    affine_transform as affine_transform,
    random_affine as random_affine,
)
