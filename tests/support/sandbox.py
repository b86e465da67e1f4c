"""Drive the installed `sandbox` command the way a user does, in a HOME of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from support.waiting import HANG_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).with_name("sandbox")
CACHE = ROOT / ".cache" / "tests"
"""Environments that test runs share, so that the second run works without a network."""
DRIFT: Mapping[str, str] = {"SANDBOX_EXCLUDE": "prometheus,alertmanager,grafana", "SANDBOX_DRIFT_ENGINES": "native"}
"""What a stack that watches for drift has in its environment: of the engines the one that needs no large download."""


@dataclass(frozen=True)
class Result:
    """What one command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    def ok(self) -> Result:
        """Itself; fails the test when the command failed."""
        assert self.code == 0, f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"
        return self


@dataclass
class Sandbox:
    """A project folder and the environment in which commands run."""

    root: Path
    home: Path
    python: Path = Path(sys.executable)
    extra: Mapping[str, str] = field(default_factory=dict)
    command: Path = SCRIPT

    @property
    def environ(self) -> dict[str, str]:
        """The caller's environment with a HOME of its own and none of the caller's SANDBOX_* settings."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SANDBOX_", "XDG_", "PYTEST_", "VIRTUAL_ENV"))}
        uv_cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
        return {
            **kept,
            "HOME": str(self.home),
            "UV_CACHE_DIR": uv_cache,
            "SANDBOX_CACHE_DIR": str(CACHE),
            "SANDBOX_STATE_DIR": str(self.home / "state"),
            "SANDBOX_ENGINE": "embedded",
            "SANDBOX_EXCLUDE": "drift,prometheus,alertmanager,grafana",  # what few tests need, whether this machine has them or not
            **self.extra,
        }

    def run(self, *args: str, timeout: float = 300, stdin: str | None = None, cwd: Path | None = None) -> Result:
        """Run `sandbox ARGS` in the project and wait for its end."""
        done = subprocess.run(
            [str(self.command), *args],
            cwd=cwd or self.root,
            env=self.environ,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start `sandbox ARGS` in a process group of its own, with its output in pipes."""
        return subprocess.Popen(
            [str(self.command), *args],
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def script(self, code: str, *args: str, cwd: Path | None = None, python: Path | None = None) -> str:
        """Run Python code in the interpreter that "trained" the model; its standard output."""
        done = subprocess.run(
            [str(python or self.python), "-c", code, *args],
            cwd=cwd or self.root,
            env={**self.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # on a busy machine, fitting takes minutes with threads that spin
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """The status document."""
        document: dict[str, Any] = self.run("status", "-o", "json").json
        return document

    @property
    def url(self) -> str:
        """Where the model answers."""
        return str(self.status()["endpoints"]["api"])

    def processes(self) -> list[psutil.Process]:
        """Every living process that carries this project's mark."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("SANDBOX_PROJECT_DIR")
                if marked and Path(marked).resolve() == self.root.resolve() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def gone(self, timeout: float = HANG_SECONDS) -> None:
        """Wait until no process of this project is left."""
        wait_for(lambda: not self.processes(), timeout=timeout, what=f"no process of {self.root} left: {self.processes()}")

    def down(self, *args: str) -> Result:
        """`sandbox down`, and nothing may be left running."""
        result = self.run("down", *args)
        self.gone()
        return result


def post(url: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any, Mapping[str, str]]:
    """POST JSON; status, JSON answer and headers."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=sent, method="POST")  # noqa: S310 - the address of a stack under test
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the address of a stack under test
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read()), dict(refused.headers)


def get(url: str) -> tuple[int, str]:
    """GET; status and text."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the address of a stack under test
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def end(process: subprocess.Popen[str], sign: signal.Signals, timeout: float = HANG_SECONDS) -> Result:
    """Send a signal to the process itself and wait for its end."""
    process.send_signal(sign)
    out, err = process.communicate(timeout=timeout)
    return Result(process.returncode, out, err)


def rows(frame_json: str) -> Sequence[dict[str, Any]]:
    """Rows as printed by `DataFrame.to_json(orient="records")`."""
    parsed: Sequence[dict[str, Any]] = json.loads(frame_json)
    return parsed
