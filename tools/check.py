"""Everything that must hold before a change lands: `make check`, or `python tools/check.py [STEP…]`.

Runs every step even when an earlier one failed, says how long each took, and names the failed ones at the end. The end-to-end tests
run beside the steps before them, and their output comes whole after that of those. A step that hangs is ended.
What needs Docker is skipped where none answers, and the last line says so; with REQUIRE_DOCKER=1 it fails instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


LIMIT_SECONDS = 3600.0
"""After so long a step hangs; each test has a limit of its own (`timeout` in pyproject.toml), which shows where it was."""
END_SECONDS = 120.0
"""What a step that is ended gets to say so and to clean up."""


def _pytest(level: str, *more: str, marked: str = "not torch") -> list[str]:
    return [str(BIN / "python"), "-m", "pytest", f"tests/{level}", "-m", marked, "-q", *more]


STEPS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check"],
    "lint": [str(BIN / "ruff"), "check"],
    "mypy": [str(BIN / "mypy")],
    "layers": [str(BIN / "lint-imports")],
    "contract": _pytest("contract"),
    "packaging": _pytest("packaging"),
    "unit": _pytest("unit"),
    "conformance": _pytest("conformance"),
    "engine": _pytest("integration", marked="docker and not torch"),
    "integration": _pytest("integration", marked="not docker and not torch"),
    "e2e": _pytest("e2e", "--ignore=tests/e2e/docker"),
    "docker": _pytest("e2e/docker"),
}
BESIDE, FROM = ("e2e", "docker"), "unit"
"""The first run one after the other beside the steps from the second on; those before want ports where they do."""
AFTER = {"docker": "engine"}
"""What begins only behind another step: images are the machine's, and one test starts its engine anew."""
OUTPUT = ROOT / ".cache" / "check"
"""What is run beside others writes here until it is shown: also there when this program is killed."""


_running: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Done:
    """How a step ended."""

    ok: bool
    seconds: float
    verdict: str


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"no such step: {', '.join(unknown)}; there are: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _stop)
    began = time.monotonic()
    done = _run_all([name for name in STEPS if name in names or not names])
    failed = [name for name, each in done.items() if not each.ok]
    print(f"\n{len(done) - len(failed)} of {len(done)} steps ok in {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print("failed: " + ", ".join(f"{name} (again: make check STEPS={name})" for name in failed), flush=True)
    if not _docker_answers():
        print("not tested here: what needs Docker, since no engine answers (as root on Debian: python tools/rig.py up)", flush=True)
    return 1 if failed else 0


def _run_all(names: Sequence[str]) -> dict[str, Done]:
    """Run the steps in their order, but for those that are begun before their turn and told of in it."""
    done: dict[str, Done] = {}
    begun: dict[str, tuple[Future[Done], IO[bytes]]] = {}
    ended = {name: Event() for name in names}
    over = Event()

    def run_beside(name: str, output: IO[bytes]) -> Done:
        if (before := AFTER.get(name)) in ended:
            ended[before].wait()
        return Done(ok=False, seconds=0.0, verdict="not begun") if over.is_set() else _run(name, output)

    OUTPUT.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool, ExitStack() as files:
        try:
            for name in names:
                if name == FROM:
                    outputs = {each: files.enter_context((OUTPUT / f"{each}.txt").open("w+b")) for each in BESIDE if each in names}
                    begun = {each: (pool.submit(run_beside, each, output), output) for each, output in outputs.items()}
                print(f"\n== {name}: {' '.join(STEPS[name])}", flush=True)
                done[name] = _shown(*begun[name]) if name in begun else _run(name)
                print(f"== {name}: {done[name].verdict} in {done[name].seconds:.1f} s", flush=True)
                ended[name].set()
        except BaseException:
            over.set()
            for each in ended.values():
                each.set()
            raise
    return done


def _shown(step: Future[Done], output: IO[bytes]) -> Done:
    """Show what a step has written, and what it goes on to write until it ends."""
    shown = 0
    while True:
        ended = step.done()
        while text := os.pread(output.fileno(), 65_536, shown):  # does not move the place where the step writes
            sys.stdout.buffer.write(text)
            shown += len(text)
        sys.stdout.buffer.flush()
        if ended:
            return step.result()
        time.sleep(1)


def _run(name: str, output: IO[bytes] | None = None) -> Done:
    """Run a step to its end, or to the end of its time; `output` takes what it writes."""
    started = time.monotonic()
    process = subprocess.Popen(STEPS[name], cwd=ROOT, stdout=output, stderr=None if output is None else subprocess.STDOUT)
    _running.append(process)
    try:
        verdict = "ok" if process.wait(LIMIT_SECONDS) == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        verdict = f"FAILED, not done within {LIMIT_SECONDS:.0f} s,"
        _end(process)
    finally:
        _running.remove(process)
    return Done(verdict == "ok", time.monotonic() - started, verdict)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask as Ctrl-C does, upon which pytest shows where it is and cleans up; then kill."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stop(number: int, _frame: FrameType | None) -> None:
    """End what runs, and then this program."""
    for process in tuple(_running):
        _end(process)
    sys.exit(128 + number)


def _docker_answers() -> bool:
    return shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
