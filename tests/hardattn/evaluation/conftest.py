"""Scenes that agents are measured on."""

from functools import partial

import pytest

from hardattn.data import load
from hardattn.scenes import Scenes, fixed_scenes, translated
from tests.support.agents import with_sentences


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return fixed_scenes(partial(translated, canvas=16), load("digits").test, 0).slice(0, 3)


@pytest.fixture(scope="module")
def small() -> Scenes:
    """For the agents of tests/support/agents.py: images of 12x12."""
    made = fixed_scenes(partial(translated, canvas=12), load("digits").test, 0)
    return with_sentences(made.slice(0, 3))
