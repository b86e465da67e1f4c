"""The programs of the test rig and a running Docker engine, on a Debian machine without a service manager too."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "docker-registry", "mmdebstrap")
"""Debian's names; docker-compose is the Compose plugin of the second generation."""
_PID_FILE = Path("/var/run/docker.pid")
_LOG = Path("/var/log/dockerd-sandbox-test.log")
_START_SECONDS = 60.0
_started: list[subprocess.Popen[bytes]] = []
"""Engines that outlive this program on purpose: Python warns of a process that it forgets while it runs."""


class RigError(Exception):
    """The rig cannot be made here: what, why, and what to do."""


def up() -> None:
    """Install what is missing and start the engine when it does not answer; returns at once when all is there.

    Raises:
        RigError: this machine has no engine and none can be installed or started.
    """
    running = engine_answers()
    absent = missing_packages()
    if absent and can_install():
        install(absent)
    if running or engine_answers():
        return
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise RigError(
            "No Docker engine answers, and none can be started by this user.\n"
            "  Start Docker (docker info must answer), or run this as root on Debian, where it is installed and started."
        )
    _start()


def engine_answers() -> bool:
    """Whether `docker info` reaches an engine."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def can_install() -> bool:
    """Root on a system with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def missing_packages() -> list[str]:
    """Those of `PACKAGES` that are not installed; none where there is no dpkg to ask."""
    if shutil.which("dpkg-query") is None:
        return []
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *PACKAGES]
    answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [name for name in PACKAGES if name not in installed]


def install(packages: list[str]) -> None:
    """Install Debian packages without questions.

    Raises:
        RigError: apt-get failed.
    """
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qqy", "--no-install-recommends", *packages]):
        print("$ " + " ".join(command), flush=True)  # noqa: T201  # CI's record of what was installed
        answer = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if answer.returncode != 0:
            raise RigError(f"`{' '.join(command)}` failed (exit {answer.returncode}).\n{answer.stdout[-2000:]}\n  Mend apt, then again.")


def _start() -> None:
    """Start dockerd in a session of its own and wait until it answers."""
    _PID_FILE.unlink(missing_ok=True)  # of an engine that ended with its machine
    with _LOG.open("ab") as log:
        daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    _started.append(daemon)
    deadline = time.monotonic() + _START_SECONDS
    while not engine_answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            tail = _LOG.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RigError(f"dockerd did not come up within {_START_SECONDS:.0f} s.\n{tail}\n  The whole log: {_LOG}")
        time.sleep(0.1)
