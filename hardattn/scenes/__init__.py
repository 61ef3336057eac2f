"""Scenes: what an image becomes before anyone looks."""

from hardattn.scenes.makers import (
    UNBOXED as UNBOXED,
)
from hardattn.scenes.makers import (
    MakeScenes as MakeScenes,
)
from hardattn.scenes.makers import (
    Scenes as Scenes,
)
from hardattn.scenes.makers import (
    circle_square as circle_square,
)
from hardattn.scenes.makers import (
    cluttered as cluttered,
)
from hardattn.scenes.makers import (
    frozen as frozen,
)
from hardattn.scenes.makers import (
    inside as inside,
)
from hardattn.scenes.makers import (
    jittered as jittered,
)
from hardattn.scenes.makers import (
    localise as localise,
)
from hardattn.scenes.makers import (
    pair as pair,
)
from hardattn.scenes.makers import (
    plain as plain,
)
from hardattn.scenes.makers import (
    search as search,
)
from hardattn.scenes.makers import (
    sequence as sequence,
)
from hardattn.scenes.makers import (
    strewn as strewn,
)
from hardattn.scenes.makers import (
    translated as translated,
)
from hardattn.scenes.makers import (
    warped as warped,
)
