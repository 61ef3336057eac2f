"""Types that the rooms of the experiments share."""

from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""An object as JSON has it: a result, a recipe, a measurement. Its reader knows what is in it."""
Settings = dict[str, Any]
"""Options with their values, by name. What an option may be, whoever takes it says."""
Value = bool | int | float | str | Path | None | tuple["Value", ...]
"""Of one option, as a command line or a file can say it."""
