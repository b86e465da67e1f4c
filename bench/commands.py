"""What the small commands cost: help, status of a stack that is down, completion, an export, and a second `up` of a stack that runs.

    python bench/commands.py [--rounds 15] [--project examples/employment]

Each is run as often as `python -c pass` of the same interpreter, by turns. Told are medians by the clock and of processor time; the ratio
is of processor time, which hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SANDBOX = Path(sys.executable).with_name("sandbox")
NOTHING = "python -c pass"


@dataclass(frozen=True)
class Command:
    """What is run, and the exit code that it has when all is well."""

    argv: list[str]
    env: Mapping[str, str]
    code: int = 0


@dataclass(frozen=True)
class Cost:
    """Seconds of one run."""

    clock: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command (default 15)")
    parser.add_argument("--project", type=Path, default=ROOT / "examples" / "employment", help="a project that has been up before")
    options = parser.parse_args()
    project = options.project.resolve()
    sandbox = [str(SANDBOX), "-C", str(project), "--engine", "embedded"]
    nothing = Command([sys.executable, "-c", "pass"], {})
    completion = {"_SANDBOX_COMPLETE": "complete_bash", "COMP_WORDS": "sandbox logs ", "COMP_CWORD": "2"}
    run(Command([*sandbox, "up"], {}), project)  # builds what is missing, and says whether it can be up at all; not counted
    while_up = {
        NOTHING: nothing,
        "a second `sandbox up`": Command([*sandbox, "up"], {}),
        "completion of `sandbox logs`": Command([str(SANDBOX)], completion),
    }
    costs = measured(while_up, options.rounds, project)
    run(Command([*sandbox, "down"], {}), project)
    with tempfile.TemporaryDirectory() as folder:
        costs |= measured(while_down(sandbox, Path(folder)), options.rounds, project)
    print(table(costs))


def while_down(sandbox: list[str], folder: Path) -> dict[str, Command]:
    """What needs no stack; the export writes 90 files the first time, which is not counted, and compares them after that."""
    digest = f"@sha256:{'0' * 64}"
    images = [f"--image={key}=registry.example.com/team/{key}{digest}" for key in ("employment", "drift", "fluentd", "log-store")]
    return {
        NOTHING: Command([sys.executable, "-c", "pass"], {}),
        "`sandbox export k8s`": Command([*sandbox, "export", "k8s", str(folder / "k8s"), *images], {}),
        "`sandbox --help`": Command([str(SANDBOX), "--help"], {}),
        "`sandbox status`, stopped": Command([*sandbox, "status"], {}, code=3),
    }


def measured(commands: Mapping[str, Command], rounds: int, project: Path) -> dict[str, list[Cost]]:
    """What each command cost in each round; a first run of each is not counted."""
    for command in commands.values():
        run(command, project)
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(run(command, project))
    return found


def run(command: Command, project: Path) -> Cost:
    """Run a command to its end; its output is shown only when it fails."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep compiled modules
    before, began = children_seconds(), time.perf_counter()
    done = subprocess.run(
        command.argv, cwd=project, env={**environ, **command.env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    clock, processor = time.perf_counter() - began, children_seconds() - before
    if done.returncode != command.code:
        raise SystemExit(f"{' '.join(command.argv)} ended with {done.returncode}, not {command.code}:\n{done.stdout}")
    return Cost(clock, processor)


def children_seconds() -> float:
    """Processor time of all programs that were run to their end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(costs: Mapping[str, list[Cost]]) -> str:
    """Medians and ratios, as a table of Markdown."""
    least = median(each.processor for each in costs[NOTHING])
    lines = ["| command | by the clock | processor time | times `python -c pass` |", "|---|---|---|---|"]
    for name in sorted(costs, key=lambda name: median(each.processor for each in costs[name])):
        clock, processor = (median(times) for times in zip(*((each.clock, each.processor) for each in costs[name]), strict=True))
        shown = f"`{NOTHING}`" if name == NOTHING else name
        lines.append(f"| {shown} | {clock:.2f} s | {processor:.2f} s | {processor / least:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
