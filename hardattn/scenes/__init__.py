"""Scenes: what an image becomes before anyone looks."""

from hardattn.scenes.makers import (
    CELLS as CELLS,
    PLACES as PLACES,
    UNBOXED as UNBOXED,
    MakeScenes as MakeScenes,
    Scenes as Scenes,
    apart as apart,
    circle_square as circle_square,
    cluttered as cluttered,
    frozen as frozen,
    inside as inside,
    jittered as jittered,
    localise as localise,
    pair as pair,
    plain as plain,
    search as search,
    sequence as sequence,
    strewn as strewn,
    translated as translated,
    warped as warped,
)
