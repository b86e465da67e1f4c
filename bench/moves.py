"""What it takes to go to another version that is warm: `sandbox rollback`, by turns with the `sandbox promote` that undoes it.

    python bench/moves.py PROJECT [--rounds 7]

PROJECT is the folder of one model whose stack runs, on whichever engine, with a version on standby: `sandbox up --warm` of a changed model
leaves it so. Each command is timed from its start to its end; the switch itself is from the moment from which the new version may answer
to the one at which the former has ended all that it began, as the command tells it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

SANDBOX = Path(sys.executable).with_name("sandbox")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--rounds", type=int, default=7, help="of both commands (default 7)")
    options = parser.parse_args()
    project = options.project.resolve()
    answers = {each["role"]: each["version"] for each in asked(project, "status")[0]["versions"]}
    if set(answers) != {"champion", "standby"}:
        raise SystemExit(f"a champion and one version on standby are needed, and there is: {answers}; sandbox up --warm leaves it so")
    there, back = ["promote", answers["standby"]], ["promote", answers["champion"]]
    for argv in (there, back):  # so that there is something to go back to; not counted
        asked(project, *argv)
    found: dict[str, list[tuple[float, float]]] = {"rollback": [], "promote": []}
    for _ in range(options.rounds):
        for name, argv in (("rollback", ["rollback"]), ("promote", back)):
            result, took = asked(project, *argv)
            if not result["warm"]:
                raise SystemExit(f"{result['version']} had to be started")
            found[name].append((took, result["milliseconds"]))
    print("| command | median | fastest | slowest | of it the switch |\n|---|---|---|---|---|")
    for name, times in found.items():
        seconds, switches = [each for each, _ in times], [each for _, each in times]
        print(f"| `sandbox {name}` | {median(seconds):.2f} s | {min(seconds):.2f} s | {max(seconds):.2f} s | {median(switches):.0f} ms |")


def asked(project: Path, *argv: str) -> tuple[Any, float]:
    """What a command says, and the seconds it took."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep compiled modules
    began = time.perf_counter()
    done = subprocess.run([str(SANDBOX), "-C", str(project), *argv, "-o", "json"], env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"sandbox {' '.join(argv)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout), seconds


if __name__ == "__main__":
    main()
