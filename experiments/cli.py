"""One command: `hardattn COMMAND ...`."""

import sys
from importlib import import_module

# The modules are imported when they are asked for, so that --help is quick.
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("commands.train", "train one recipe and measure it"),
    "sweep": ("commands.sweep", "train several recipes over several seeds"),
    "report": ("commands.report", "compare finished runs: tables, and a page"),
    "evaluate": ("commands.evaluate", "measure finished runs again from their weights"),
    "swap": ("studies.policy_gain.measure", "ask whether a policy mattered"),
    "robustness": ("studies.robustness.measure", "measure finished runs on changed scenes"),
    "estimators": ("studies.estimators", "measure bias and variance of the estimators"),
    "export": ("commands.export", "hand a trained agent on"),
    "demo": ("commands.demo", "the main job, for a newcomer"),
    "list": ("commands.list", "list the recipes"),
}
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "bench": {
        "throughput": ("benchmarks.throughput", "images a second of training"),
        "environments": ("benchmarks.environments", "steps a second of environments"),
        "sb3": ("benchmarks.sb3", "steps a second that Stable-Baselines3 is given"),
    },
    "results": {
        "collect": ("commands.collect", "collect runs into the committed results"),
        "tables": ("commands.tables", "write the tables from the committed results"),
        "claims": ("studies.claims", "claims of papers, put to a test"),
        "figures": ("studies.figures", "figures of the committed results, for print"),
    },
}


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    name, table = (words or [""])[0], COMMANDS
    if name in GROUPS:
        table, words = GROUPS[name], words[1:]
        name = (words or [""])[0]
    if name not in table:
        known = [*table, *(GROUPS if table is COMMANDS else ())]
        print(f"usage: hardattn COMMAND ...; one of {', '.join(known)}", file=sys.stderr)
        return 2
    module = import_module(f".{table[name][0]}", __package__)
    return int(module.main(words[1:]))
