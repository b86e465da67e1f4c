"""Make the environment of this checkout: `python3 tools/setup.py demo|test|torch`.

    demo    .venv with the project and what the example trains with
    test    .venv with everything that `make check` runs, too
    torch   .venv-torch: the test environment and PyTorch beside it, for the TorchScript tests

Needs nothing but a Python; written so that an old `python3` can run it and look for a newer one.
What is installed is pinned by hash in requirements/. A second run with the same locks returns at once, without a network.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"demo": ["demo.txt"], "test": ["test.txt"], "torch": ["test.txt", "torch.in"]}
COVERS = {"demo": ("demo", "test"), "test": ("test",), "torch": ("torch",)}
SUPPORTED = ((3, 11), (3, 12), (3, 13))


class SetupFailed(Exception):
    """What failed and what to do next, for the person at the terminal."""


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        print(__doc__)
        return 2
    group = sys.argv[1]
    venv = ROOT / (".venv-torch" if group == "torch" else ".venv")
    checkout = os.open(str(ROOT), os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)  # a second `make` waits here until the first one is through
    try:
        ensure(venv, group)
    except SetupFailed as failure:
        print(f"setup: {failure}", file=sys.stderr)
        return 1
    finally:
        os.close(checkout)
    return 0


def ensure(venv: Path, group: str) -> None:
    """Bring `venv` to the locks of `group`, unless its stamp says that it is there already."""
    stamp = venv / ".setup.json"
    python = venv / "bin" / "python"
    if any(os.access(python, os.X_OK) and _read(stamp) == _stamp(one) for one in COVERS[group]):
        return
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    version = python_version(str(python))
    if version not in SUPPORTED or not runs([str(python), "-m", "pip", "--version"]):
        create(venv)
    if group != "demo":
        ensure_openmp()
    install(venv, group)
    stamp.write_text(_stamp(group), encoding="utf-8")
    print(f"setup: {venv.name} is ready ({group}, {time.monotonic() - started:.0f} s)", flush=True)


def _stamp(group: str) -> str:
    digest = hashlib.sha256()
    for path in [ROOT / "pyproject.toml", *(ROOT / "requirements" / name for name in LOCKS[group])]:
        digest.update(path.read_bytes())
    return json.dumps({"group": group, "digest": digest.hexdigest(), "checkout": str(ROOT)})


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def create(venv: Path) -> None:
    """Make an empty environment from the first suitable Python, by whichever way this machine has."""
    python = find_python()
    attempt = [python, "-m", "venv", "--clear", str(venv)]
    if runs(attempt, echo=True):
        return
    major, minor = python_version(python) or SUPPORTED[-1]
    packages = [f"python{major}.{minor}-venv", "python3-venv"]  # Debian keeps ensurepip apart
    if any(apt_install(name) and runs(attempt, echo=True) for name in packages):
        return
    uv = shutil.which("uv")
    if uv and runs([uv, "venv", "--clear", "--seed", "--python", python, str(venv)], echo=True):
        return
    bare = [python, "-m", "venv", "--clear", "--without-pip", str(venv)]
    if runs(bare) and runs([python, "-m", "pip", "--python", str(venv), "install", "pip"], echo=True):
        return
    raise SetupFailed(
        f"{python} cannot make a virtual environment.\n  Debian, Ubuntu:  sudo apt-get install python3-venv\n  then the same make again"
    )


def find_python() -> str:
    """The Python that runs this script when it is 3.11 to 3.13, else the newest of those on PATH."""
    named = [shutil.which(f"python{major}.{minor}") for major, minor in reversed(SUPPORTED)]
    for candidate in [sys.executable, *named]:
        if candidate and python_version(candidate) in SUPPORTED:
            return candidate
    found = ".".join(str(part) for part in sys.version_info[:3])
    raise SetupFailed(
        f"Python 3.11, 3.12 or 3.13 is needed; python3 is {found} and no other is on PATH.\n"
        "  Debian 13:  sudo apt-get install python3 python3-venv\n"
        "  macOS:      brew install python@3.13\n"
        "  then the same make again"
    )


def install(venv: Path, group: str) -> None:
    """Install the locks of `group` and this project itself, editable."""
    python = str(venv / "bin" / "python")
    requirements = ROOT / "requirements"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "--no-deps", "-r", str(requirements / "uv.txt")])
    uv = [str(venv / "bin" / "uv"), "pip"]
    environ, flags = uv_settings(python)
    lock = str(requirements / LOCKS[group][0])
    run([*uv, "sync", *flags, "--quiet", "--python", python, "--require-hashes", lock], environ)
    run([*uv, "install", *flags, "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], environ)
    if group == "torch":  # by pip and not from a lock: its own settings may name a folder with a CPU build, which no lock knows
        run([*pip, "-r", str(requirements / "torch.in")])


def uv_settings(python: str) -> tuple[dict[str, str], list[str]]:
    """This environment with pip's own settings (index, find-links, certificate, proxy) in uv's words, and flags for the rest."""
    code = "import json; from mlsandbox.packaging.pip_settings import uv_settings as s; print(json.dumps([dict(s().env), s().flags]))"
    answer = subprocess.run([python, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "cli")}, stdout=subprocess.PIPE, check=True)
    settings, flags = json.loads(answer.stdout)
    settings.pop("UV_CONSTRAINT", None)  # a lock has nothing left to constrain, and uv refuses both together
    kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", **settings}, flags


def ensure_openmp() -> None:
    """LightGBM's and XGBoost's wheels load the system's OpenMP library, which a bare machine lacks."""
    name = "libomp.dylib" if sys.platform == "darwin" else "libgomp.so.1"
    brew = ("/opt/homebrew/opt/libomp/lib", "/usr/local/opt/libomp/lib")
    for place in [name, *(f"{folder}/{name}" for folder in brew)]:
        try:
            ctypes.CDLL(place)
        except OSError:
            continue
        return
    if not apt_install("libgomp1"):
        command = "brew install libomp" if sys.platform == "darwin" else "sudo apt-get install libgomp1"
        raise SetupFailed(f"{name} is missing: the tests with LightGBM and XGBoost need it.\n  {command}\n  then again:  make test")


def apt_install(package: str) -> bool:
    """Install one Debian package; False where that cannot be done (no apt-get, not root, no such package)."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package]
    return runs(command, environ, echo=True) or (runs(["apt-get", "update", "--quiet"], environ, echo=True) and runs(command, environ))


def python_version(python: str) -> tuple[int, int] | None:
    """Major and minor version of an interpreter; None when it does not run."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def runs(command: list[str], environ: dict[str, str] | None = None, *, echo: bool = False) -> bool:
    """Whether a command succeeds; its output is shown only with `echo`, when it fails."""
    if echo:
        print("$ " + " ".join(command), flush=True)
    try:
        answer = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError:
        return False
    if echo and answer.returncode != 0:
        sys.stdout.write(answer.stdout.decode(errors="replace"))
    return answer.returncode == 0


def run(command: list[str], environ: dict[str, str] | None = None) -> None:
    """Run a command, shown so that it can be pasted; a failure ends the setup."""
    print("$ " + " ".join(command), flush=True)
    answer = subprocess.run(command, env=environ, check=False)
    if answer.returncode != 0:
        raise SetupFailed(
            f"this command failed (exit {answer.returncode}):\n  {' '.join(command)}\n"
            "  See that the network and pip's settings are right (pip config list), then the same make again:\n"
            "  it goes on where it stopped."
        )


if __name__ == "__main__":
    sys.exit(main())
