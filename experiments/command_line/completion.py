"""What completes a command line in a shell: `eval "$(hardattn --print-completion bash)"`.

Commands, names of recipes and options are offered, and files. All is written out, so that nothing
is run while somebody types; print it again after an update.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ..recipe import RunOptions, UsageError
from ..recipes import RECIPES

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


def script(words: Sequence[str], commands: Mapping[str, type]) -> str:
    """The lines for a shell. Raises UsageError for one that is not known.

    commands: the options of each, by what is typed.
    """
    if list(words) not in (["bash"], ["zsh"]):
        raise UsageError(f"no completion for {' '.join(words) or 'no shell'}: choose bash or zsh")
    text = SCRIPT.format(cases="\n".join(_cases(commands)), first=" ".join(_once(commands)))
    return ZSH * (words[0] == "zsh") + text


def _cases(commands: Mapping[str, type]) -> Iterable[str]:
    """Of each command, and of each group, what may follow."""
    for name, kind in commands.items():
        yield f'        "{name} "*) words="{" ".join(offered(name, kind))}" ;;'
    for group in _once(name for name in commands if " " in name):
        members = [name.split()[1] for name in commands if name.startswith(f"{group} ")]
        yield f'        "{group} "*) words="{" ".join(members)}" ;;'


def offered(name: str, kind: type) -> list[str]:
    """The words that a command may be given: names of recipes, options."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    known = [key for key, field in fields.items() if "Positional" not in str(field.type)]
    if name in OF_RECIPES[:2]:
        known += [field.name for field in dataclasses.fields(RunOptions)]
        known += [key for recipe in RECIPES.values() for key in recipe.settings()]
    recipes = list(RECIPES) if name in OF_RECIPES else []
    options = [f"--{key.replace('_', '-')}" for key in dict.fromkeys(known) if key != "agent"]
    return [*recipes, *options, "--help"]


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.split()[0] for name in names))
