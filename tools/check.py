"""Everything that must hold before a change lands: `make check`, or `python tools/check.py [STEP…]`.

Runs every step even when an earlier one failed, says how long each took, and names the failed ones at the end.
What needs Docker is skipped where none answers, and the last line says so; with REQUIRE_DOCKER=1 it fails instead.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def _pytest(level: str) -> list[str]:
    return [str(BIN / "python"), "-m", "pytest", f"tests/{level}", "-m", "not torch", "-q"]


STEPS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check"],
    "lint": [str(BIN / "ruff"), "check"],
    "mypy": [str(BIN / "mypy")],
    "layers": [str(BIN / "lint-imports")],
    "unit": _pytest("unit"),
    "contract": _pytest("contract"),
    "conformance": _pytest("conformance"),
    "integration": _pytest("integration"),
    "packaging": _pytest("packaging"),
    "e2e": _pytest("e2e"),
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"no such step: {', '.join(unknown)}; there are: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    took: dict[str, float] = {}
    failed = []
    for name in names or STEPS:
        print(f"\n== {name}: {' '.join(STEPS[name])}", flush=True)
        started = time.monotonic()
        if subprocess.run(STEPS[name], cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
        took[name] = time.monotonic() - started
        print(f"== {name}: {'FAILED' if name in failed else 'ok'} in {took[name]:.1f} s", flush=True)
    print(f"\n{len(took) - len(failed)} of {len(took)} steps ok in {sum(took.values()):.0f} s", flush=True)
    if failed:
        print("failed: " + ", ".join(f"{name} (again: make check STEPS={name})" for name in failed), flush=True)
    if not _docker_answers():
        print("not tested here: what needs Docker, since no engine answers (as root on Debian: python tools/rig.py up)", flush=True)
    return 1 if failed else 0


def _docker_answers() -> bool:
    return shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
