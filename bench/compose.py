"""How long until a stack of containers is healthy: `sandbox up` beside `docker compose up -d --wait` of the file that it wrote, by turns.

    python bench/compose.py PROJECT [--rounds 5]

Images are there and nothing has changed; both start with no container. `sandbox up` also proves the model with a prediction. At the end
a second `sandbox up` of the running stack is timed, which has nothing to do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

SANDBOX = Path(sys.executable).with_name("sandbox")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="a project whose stack has been up on the docker engine before")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements (default 5)")
    options = parser.parse_args()
    project = options.project.resolve()
    sandbox = [str(SANDBOX), "-C", str(project), "--engine", "docker"]
    compose = ["docker", "compose", "-f", str(project / ".sandbox/stack/compose.yaml")]
    timed([*sandbox, "up"])  # renders what changed; not counted
    timed([*sandbox, "down"])
    ups: list[float] = []
    composed: list[float] = []
    for number in range(1, options.rounds + 1):
        ups.append(timed([*sandbox, "up"]))
        timed([*sandbox, "down"])
        composed.append(timed([*compose, "up", "-d", "--wait"]))
        timed([*compose, "down"])
        print(f"round {number}: sandbox up {ups[-1]:.2f} s, docker compose up {composed[-1]:.2f} s", flush=True)
    timed([*sandbox, "up"])
    idle = [timed([*sandbox, "up"]) for _ in range(options.rounds)]
    timed([*sandbox, "down"])
    print(table(ups, composed, idle))


def timed(command: list[str]) -> float:
    """Seconds that a command took; its output is shown only when it fails.

    `--wait` waits for all, and then calls it a failure that a service which runs once has ended, however well.
    """
    began = time.monotonic()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep compiled modules
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 and not ("--wait" in command and done.stdout.rstrip().endswith("exited (0)")):
        raise SystemExit(f"{' '.join(command)} failed (exit {done.returncode}):\n{done.stdout}")
    return time.monotonic() - began


def table(ups: list[float], composed: list[float], idle: list[float]) -> str:
    """Medians, spread and ratio, as a table of Markdown."""
    lines = ["", "| until all is healthy | median | fastest | slowest |", "|---|---|---|---|"]
    named = (("`sandbox up`", ups), ("`docker compose up -d --wait`", composed), ("`sandbox up` with nothing to do", idle))
    for name, times in named:
        lines.append(f"| {name} | {median(times):.2f} s | {min(times):.2f} s | {max(times):.2f} s |")
    pairs = [up / other for up, other in zip(ups, composed, strict=True)]
    lines.append(f"| ratio of the first two | {median(ups) / median(composed):.2f} | {min(pairs):.2f} | {max(pairs):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
