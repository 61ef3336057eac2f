"""The page about clusters: its commands are understood, and its jobs are what they say."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.commands.sweep import part_of

PAGE = (Path(__file__).resolve().parent.parent / "docs/guide/many-machines.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SWEEPS = [found for found in re.findall(r"hardattn sweep [^\n>#]+", PAGE) if "--" in found]
JOB = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0])


@pytest.mark.parametrize("line", SWEEPS)
def test_sweeps_are_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = re.sub(r"\$(SLURM_ARRAY_TASK_ID|JOB_COMPLETION_INDEX)", "3", line)
    words = shlex.split(line)[1:]
    assert main([*words, *["--print"] * ("--print" not in words)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed and len(set(printed)) == len(printed)
    for command in printed:
        assert parse(shlex.split(command)[2:])[0].startswith(("ram-", "random-"))


def test_trainings_in_several_processes_are_understood() -> None:
    lines = re.findall(r"torchrun .* -m hardattn.experiments train (.*)", PAGE)
    assert len(lines) == 3
    for line in lines:
        parse(shlex.split(line))


@pytest.mark.parametrize("script", SHELL)
def test_scripts_are_shell(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_array_has_a_job_for_each_part_and_goes_on(tmp_path: Path) -> None:
    """The very script, with what it calls standing in: srun's exit code decides."""
    (script,) = (one for one in SHELL if "#SBATCH --array" in one)
    first, last = map(int, re.findall(r"--array=(\d+)-(\d+)", script)[0])
    parts = {int(count) for count in re.findall(r"--shard \S+/(\d+)", script)}
    assert parts == {last - first + 1} and first == 0
    for name, does in (("srun", 'echo "$*" >&2; exit $CODE'), ("scontrol", 'echo "again $2"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    for code, again in ((0, ""), (3, ""), (143, "again 77\n")):
        given = {"SLURM_ARRAY_TASK_ID": "15", "SLURM_JOB_ID": "77", "CODE": str(code)}
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            env={"PATH": path, **given},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (code, again)
        shard = re.findall(r"--shard (\S+)", done.stderr)[0]
        assert part_of(shard) == slice(15, None, 16)


def test_a_job_of_kubernetes_has_a_pod_for_each_part() -> None:
    spec = JOB["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    (count,) = re.findall(r"--shard \$JOB_COMPLETION_INDEX/(\d+)", container["args"][0])
    assert JOB["kind"] == "Job" and spec["completionMode"] == "Indexed"
    assert spec["completions"] == int(count)
    # Rules about failures go with pods that are not restarted in place, and need a limit an index.
    assert spec["template"]["spec"]["restartPolicy"] == "Never" and spec["backoffLimitPerIndex"] > 0
    (codes, disrupted) = spec["podFailurePolicy"]["rules"]
    assert codes["action"] == "FailIndex" and codes["onExitCodes"]["values"] == [2, 3]
    assert codes["onExitCodes"]["containerName"] == container["name"]
    assert disrupted["action"] == "Ignore"
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in spec["template"]["spec"]["volumes"]}
