"""Gymnasium faces of worlds, and the catalogue of named problems: `hardattn/<Name>-v0`."""

import gymnasium

from .catalogue import CATALOGUE as CATALOGUE, document as document, problem_of as problem_of
from .episodes import Problem as Problem
from .single import GlimpseEnv as GlimpseEnv
from .vector import GlimpseVectorEnv as GlimpseVectorEnv

for name in CATALOGUE:
    gymnasium.register(
        id=f"hardattn/{name}-v0",
        entry_point="hardattn.envs.single:GlimpseEnv",
        vector_entry_point="hardattn.envs.vector:GlimpseVectorEnv",
        kwargs={"problem": name},
    )
