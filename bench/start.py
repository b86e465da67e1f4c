"""How long until the first prediction: `sandbox up` beside `bentoml serve` of the same bento, one after the other, again and again.

    python bench/start.py [--rounds 7] [--project examples/employment]

Both start from the stopped state with everything built and cached, and both are timed from the start of the command until a real row
is answered, asked every few milliseconds from outside. `sandbox up` starts the log store and the shipper as well, replays the golden
rows and asks for its own smoke prediction; `bentoml serve` starts the same service alone. The model runs in the same environment.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mlsandbox_serving.contract import Env

ROOT = Path(__file__).resolve().parent.parent
SANDBOX = Path(sys.executable).with_name("sandbox")
GIVE_UP = 120.0


@dataclass(frozen=True)
class Service:
    """The model service as the supervisor starts it."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    port: int
    """Where it listens; another one after an `up` that found it taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of measurements (default 7)")
    parser.add_argument("--project", type=Path, default=ROOT / "examples" / "employment", help="a project that has been up before")
    options = parser.parse_args()
    project = options.project.resolve()
    sandbox(project, "up")  # builds what is missing; not timed
    service, row = model_service(project), example_row(project)
    sandbox(project, "down")
    ups: list[float] = []
    serves: list[float] = []
    for number in range(1, options.rounds + 1):
        ups.append(time_up(project, row))
        serves.append(time_serve(service, row))
        print(f"round {number}: sandbox up {ups[-1]:.2f} s, bentoml serve {serves[-1]:.2f} s", flush=True)
    print(table(ups, serves))


def sandbox(project: Path, *words: str) -> None:
    """Run `sandbox` in the project; its output is shown only when it fails."""
    done = subprocess.run(
        [SANDBOX, "-C", project, "--engine", "embedded", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"sandbox {' '.join(words)} failed (exit {done.returncode}):\n{done.stdout}")


def model_service(project: Path) -> Service:
    """What the supervisor runs as the model service, from the rendered stack."""
    document = json.loads((project / ".sandbox" / "stack" / "processes.json").read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = document["processes"]
    api = next(process for process in listed if Env.FRONT in process["env"])
    return Service(list(api["argv"]), api["env"], api["cwd"], int(api["ports"][f"direct-{api['name']}"]))


def example_row(project: Path) -> bytes:
    """A row of the package's own, as a request body."""
    captured = next(project.glob("*/capture.json"))
    return json.dumps(json.loads(captured.read_text(encoding="utf-8"))["example"]).encode()


def time_up(project: Path, row: bytes) -> float:
    """Seconds from the start of `sandbox up` to the first prediction; the stack is down before and after."""
    started = time.monotonic()
    with subprocess.Popen(
        [SANDBOX, "-C", project, "--engine", "embedded", "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as command:
        seconds = until_answered(started, lambda: model_service(project).port, row, command)
        if command.wait(GIVE_UP) != 0:
            raise SystemExit("sandbox up failed; see: sandbox up")
    sandbox(project, "down")
    return seconds


def time_serve(service: Service, row: bytes) -> float:
    """Seconds from the start of `bentoml serve` to the first prediction, at a port and with folders of its own."""
    port = free_port()
    argv = [*service.argv[: service.argv.index("--port")], "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "output").open("w+b") as output:
        own = {name: folder for name in ("SANDBOX_SPOOL_DIR", "SANDBOX_METRICS_DIR") if name in service.env}
        environ = {**service.env, **own}
        started = time.monotonic()
        command = subprocess.Popen(argv, env=environ, cwd=service.cwd, stdout=output, stderr=output, start_new_session=True)
        try:
            return until_answered(started, lambda: port, row, command)
        except SystemExit:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGTERM)
            command.wait(30)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until_answered(started: float, port: Callable[[], int], row: bytes, command: subprocess.Popen[bytes]) -> float:
    """Ask for a prediction every five milliseconds until it comes; seconds since `started`."""
    while time.monotonic() - started < GIVE_UP:
        if command.poll() not in (None, 0):
            raise SystemExit(f"the command ended with {command.returncode} before the first prediction")
        connection = http.client.HTTPConnection("127.0.0.1", port(), timeout=10)
        try:
            connection.request("POST", "/predict", row, {"content-type": "application/json"})
            if connection.getresponse().status == http.HTTPStatus.OK:
                return time.monotonic() - started
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.005)
    raise SystemExit(f"no prediction within {GIVE_UP:.0f} s")


def table(ups: list[float], serves: list[float]) -> str:
    """Medians, spread and ratio, as a table of Markdown."""
    lines = ["", "| to the first prediction | median | fastest | slowest |", "|---|---|---|---|"]
    for name, times in (("`sandbox up`", ups), ("`bentoml serve`", serves)):
        lines.append(f"| {name} | {median(times):.2f} s | {min(times):.2f} s | {max(times):.2f} s |")
    pairs = [up / serve for up, serve in zip(ups, serves, strict=True)]
    lines.append(f"| ratio | {median(ups) / median(serves):.2f} | {min(pairs):.2f} | {max(pairs):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
