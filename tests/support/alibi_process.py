"""The alibi engine in a process of its own environment, which has no pytest: one JSON document per line and answer.

`python -m support.alibi_process` is the process; `AlibiProcess` talks to it. One process serves many tests, since alibi-detect takes
seconds to import; each test makes an engine of its own in it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.drift_alibi import AlibiEngine, Settings, Worker, build_reference
from support.drift_rows import NONE, Change, rows

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600.0
"""A guard against a hang: making some detectors takes a minute of processor time."""
Json = dict[str, Any]


class AlibiProcess:
    """The process, from the outside.

    Args:
        python: of the engine's environment.
    """

    def __init__(self, python: Path) -> None:
        path = os.pathsep.join([str(ROOT / "services"), str(ROOT / "tests")])
        self._process = subprocess.Popen(
            [python, "-m", "support.alibi_process"],
            env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start: Json = self._answer()
        """What it saw while alibi-detect was being imported."""

    def ask(self, do: str, **arguments: Any) -> Json:
        """Have a method of `Served` called, and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def make(self, settings: Mapping[str, Any] | None = None) -> Json:
        """Make a new engine; its first verdict."""
        return self.ask("make", settings=dict(settings or {}))

    def feed(self, count: int, change: Change = NONE, seed: int = 1) -> Json:
        """Add rows and wait for their comparison; the verdict, without what differs from run to run."""
        return self.ask("feed", count=count, change=asdict(change), seed=seed)

    def restart(self) -> Json:
        """Go on with an engine that is made of the state of the one before."""
        return self.ask("restart")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(SECONDS)
        self._process.stdout.close()

    def _answer(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended; what it said is above"
        answer: Json = json.loads(line)
        return answer


class Served:
    """The process, from the inside."""

    def __init__(self) -> None:
        self._worker = Worker()
        self._reference = build_reference(rows(np.random.default_rng(0), 10_000))
        self._settings = Settings()
        self._engine = AlibiEngine(self._reference, worker=self._worker)

    def begin(self) -> Json:
        """Import alibi-detect; what the engine answers meanwhile."""
        before = "alibi_detect" in sys.modules
        self._engine.load()
        self._engine.update(rows(np.random.default_rng(1), 1_500))
        verdict = self._engine.verdict()
        self._engine.wait(SECONDS)
        return {
            "imported": before,
            "meanwhile": asdict(verdict),
            "then": self._told(),
        }

    def make(self, settings: Json) -> Json:
        """A new engine."""
        self._settings = Settings.read(settings)
        self._engine = AlibiEngine(self._reference, self._settings, worker=self._worker)
        self._engine.wait(SECONDS)
        return self._told()

    def feed(self, count: int, change: Json, seed: int) -> Json:
        """Rows for it, as they come out of events."""
        table = rows(np.random.default_rng(seed), count, Change(**change))
        self._engine.update({name: [_json_value(value) for value in values.tolist()] for name, values in table.items()})
        self._engine.wait(SECONDS)
        return self._told()

    def restart(self) -> Json:
        """Another engine of the same state."""
        self._engine = AlibiEngine.restore(self._reference, self._engine.state(), self._settings, worker=self._worker)
        self._engine.wait(SECONDS)
        return self._told()

    def _told(self) -> Json:
        verdict = asdict(self._engine.verdict())
        if verdict["window"] is not None:
            verdict["window"] |= {"seconds": None, "ended": None}
        return verdict


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is no answer
    served = Served()

    def answer(value: Json) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    answer(served.begin())
    methods: dict[str, Callable[..., Json]] = {"make": served.make, "feed": served.feed, "restart": served.restart}
    for line in sys.stdin:
        asked = json.loads(line)
        answer(methods[asked.pop("do")](**asked))


if __name__ == "__main__":
    main()
