"""What completes a command line in a shell: `eval "$(hardattn --print-completion bash)"`.

Commands, names of recipes and options are offered, and files. All is written out, so that nothing
is run while somebody types; print it again after an update.
"""

import dataclasses
from collections.abc import Iterable, Sequence

from .cli import COMMANDS, load
from .recipe import Run, UsageError
from .recipes import RECIPES

OF_RECIPES = ("train", "sweep", "list")  # after which the name of a recipe is expected

SCRIPT = """\
_hardattn() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}} " in
{cases}
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words="{first}"; fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -o bashdefault -F _hardattn hardattn"""
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def script(words: Sequence[str]) -> str:
    """The lines for a shell. Raises UsageError for one that is not known."""
    if list(words) not in (["bash"], ["zsh"]):
        raise UsageError(f"no completion for {' '.join(words) or 'no shell'}: choose bash or zsh")
    text = SCRIPT.format(cases="\n".join(_cases()), first=" ".join(_once(COMMANDS)))
    return ZSH * (words[0] == "zsh") + text


def _cases() -> Iterable[str]:
    """Of each command, and of each group, what may follow."""
    for name in COMMANDS:
        yield f'        "{name} "*) words="{" ".join(offered(name))}" ;;'
    for group in _once(name for name in COMMANDS if " " in name):
        members = [name.split()[1] for name in COMMANDS if name.startswith(f"{group} ")]
        yield f'        "{group} "*) words="{" ".join(members)}" ;;'


def offered(name: str) -> list[str]:
    """The words that a command may be given: names of recipes, options."""
    kinds = [load(name).Options, *([Run] if name in OF_RECIPES[:2] else [])]
    known = {field.name: None for kind in kinds for field in dataclasses.fields(kind)}
    if name in OF_RECIPES[:2]:
        for recipe in RECIPES.values():
            known |= dict.fromkeys(recipe.settings())
    known = {key: None for key in known if key not in ("agent", *_positional(name))}
    recipes = list(RECIPES) if name in OF_RECIPES else []
    return [*recipes, *(f"--{key.replace('_', '-')}" for key in known), "--help"]


def _positional(name: str) -> tuple[str, ...]:
    """The fields that are given without their name, or not at all."""
    marks = {field.name: str(field.type) for field in dataclasses.fields(load(name).Options)}
    return tuple(key for key, mark in marks.items() if "Positional" in mark)


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.split()[0] for name in names))
