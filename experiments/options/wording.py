"""Values of options: read from words, checked, and said in words."""

import ast
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ..kinds import Value
from .option import Option, UsageError, choose, kinds_of

# Numbers that mean something below 1, or nothing below 2, by name; others are counted from 1.
LEAST = {
    **dict.fromkeys(("distractors", "gap", "top", "pretraining", "test_seed", "seed", "warmup"), 0),
    **dict.fromkeys(("clutter", "margin", "held_out", "parts"), 0),
    **dict.fromkeys(("samples", "population"), 2),
    "width": 8,
}

NEVER_NEGATIVE = (
    *("price", "sparsity", "doubly", "weight_decay", "momentum"),
    *("growing", "led", "greedy", "distil", "std_from", "policy_coef"),
)

POSITIVE = (
    *("std", "std_end", "guide_std", "sigma", "stride", "cover", "reach", "lr", "rho", "floor"),
    *("max_grad_norm", "train_fraction", "test_fraction"),
)

UNBOUNDED = ("max_grad_norm",)


def check(option: Option, value: Value) -> None:
    """Raise UsageError, one line, for a value that cannot be meant."""
    name = option.name
    if value is None:
        return
    if option.choices and value not in option.choices and not plugs_in(option, value):
        choose(name, dict.fromkeys(map(str, option.choices)), str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if isinstance(value, int) and float not in kinds_of(option.kind):
        least = LEAST.get(name, 0 if option.default == 0 else 1)
        if value < least:
            raise UsageError(f"{name} must be at least {least}, not {value}")
        if name.endswith("seed") and value >= 2**62:
            raise UsageError(f"{name} must be below 2**62, not {value}")
        return
    if name in POSITIVE and not value > 0:
        raise UsageError(f"{name} must be positive, not {value}")
    if name in NEVER_NEGATIVE and not value >= 0:
        raise UsageError(f"{name} must be at least 0, not {value}")
    if name not in UNBOUNDED and not abs(value) < float("inf"):
        raise UsageError(f"{name} must be a finite number, not {value}")


def plugs_in(option: Option, value: Value) -> bool:
    """Whether a value names something of one's own, package.module:Name, and may."""
    return str in kinds_of(option.kind) and isinstance(value, str) and ":" in value


def read(option: Option, words: list[str]) -> Value:
    """The value that words of a command line, or of JSON, say. Raises UsageError."""
    if words == ["None"]:
        return None  # as by default
    for kind in kinds_of(option.kind):
        try:
            return _read(kind, words)
        except (ValueError, SyntaxError, KeyError):
            continue
    raise UsageError(
        f"--{option.name.replace('_', '-')} takes {told(option)}, not {' '.join(words)!r}"
    )


def _read(kind: Any, words: list[str]) -> Value:
    origin = get_origin(kind)
    if origin is Literal:
        return next(each for each in (*get_args(kind), *words) if str(each) == words[0])
    if origin is not None or kind in (tuple, list):
        inner = get_args(kind) or (str,)
        flat = all(get_origin(each) is None for each in inner)
        if not flat or (len(words) == 1 and words[0][:1] in "(["):
            return plain(ast.literal_eval(" ".join(words)))
        several = inner[-1] is Ellipsis or len(inner) == 1
        if not several and len(inner) != len(words):
            raise ValueError(f"{len(inner)} values")
        kinds = [inner[0]] * len(words) if several else inner
        return tuple(_read(each, [word]) for each, word in zip(kinds, words, strict=True))
    if kind is bool and not words:
        return True  # the flag alone
    (word,) = words or [""]
    if kind is type(None):
        if word != "None":
            raise ValueError("None")
        return None
    if kind is bool:
        return {"True": True, "False": False, "true": True, "false": False}[word]
    if kind is int and not word.lstrip("+-").isdigit():
        number = float(word)  # 1e5 is a whole number, too
        if number != int(number):
            raise ValueError(word)
        return int(number)
    return kind(word)


def told(option: Option) -> str:
    """What it takes, in words."""
    names: dict[object, str] = {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        type(None): "None",
    }
    if option.choices:
        return "one of " + ", ".join(map(repr, option.choices))
    return " or ".join(names.get(kind, "words") for kind in kinds_of(option.kind))


def metavar(option: Option) -> str:
    """What stands for its value in a help text."""
    names = {int: "INT", float: "FLOAT", bool: "True|False", str: "TEXT", Path: "PATH"}
    if option.choices:
        return "WORD"
    kinds = [each for each in kinds_of(option.kind) if each is not type(None)]
    several = any(get_origin(each) is not None for each in kinds)
    first = next((names[each] for each in kinds if each in names), "VALUE")
    return f"{first} ..." if several else first


def plain(value: Value | list[Value]) -> Value:
    """The same as JSON may have it: several values as tuples."""
    return tuple(plain(each) for each in value) if isinstance(value, list | tuple) else value


def at_least(config: object, least: int, *names: str) -> None:
    """Raise UsageError if one of these fields is set to less."""
    for name in names:
        if not getattr(config, name) >= least:
            raise UsageError(f"{name} must be at least {least}, not {getattr(config, name)}")


def positive(config: object, *names: str) -> None:
    """Raise UsageError if one of these fields is zero, less, or NaN."""
    for name in names:
        if not getattr(config, name) > 0:
            raise UsageError(f"{name} must be positive, not {getattr(config, name)}")


def finite(config: object, *names: str) -> None:
    """Raise UsageError if one of these fields is infinity or NaN."""
    for name in names:
        if not abs(getattr(config, name)) < float("inf"):
            raise UsageError(f"{name} must be a finite number, not {getattr(config, name)}")
