"""Hard and stochastic visual attention in PyTorch. Importing this alone does not import torch."""

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

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
