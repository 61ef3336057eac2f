"""Hard and stochastic visual attention in PyTorch. Importing this alone does not import torch."""

import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Spinning OpenMP threads slow each other down many times over; read once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class _Checkout:
    """Finds hardattn.envs and hardattn.agents in the folders beside this one."""

    root = Path(__file__).resolve().parent.parent

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Answer for these two names and no others."""
        if name not in ("hardattn.envs", "hardattn.agents", "hardattn.experiments"):
            return None
        folder = cls.root / name.removeprefix("hardattn.")
        return spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )


# A wheel has them inside; a checkout beside. First in line, or an editable install of another
# checkout would supply its envs and agents to this one's core.
if not (Path(__file__).parent / "agents").is_dir() and _Checkout.root.joinpath("agents").is_dir():
    sys.meta_path.insert(0, _Checkout)


def look(agent: Any, image: Any, **options: Any) -> tuple[Any, Any]:
    """Let an agent look at a picture: what it did drawn as one, uint8 (H, W, 3), and its columns.

    agent: what `load` takes, or gives; or an agent, or any classifier, with world, shape and
    answers among the options: see `hardattn.viz.looks.look`. image: the path of a file, a Pillow
    image, or an array.
    """
    if isinstance(agent, str | Path):
        agent = load(agent)
    if isinstance(options.get("against"), str | Path):
        options["against"] = load(options["against"])
    found: tuple[Any, Any] = import_module("hardattn.viz.looks").look(agent, image, **options)
    return found


def load(source: str | Path) -> Any:
    """A trained agent, with what it was trained for: a `hardattn.looking.look.Subject`.

    source: the folder of a run, or one that `hardattn export` wrote.
    """
    return import_module("hardattn.experiments.sharing.subjects").load(source)
