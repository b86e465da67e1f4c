"""The clock, by which events are ordered and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine

_SLACK_SECONDS: Final = 300.0


class ClockCheck:
    """It is not earlier than files that exist already."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        files = [Path(__file__), *([examined.root / "sandbox.toml"] if examined.root else [])]
        late = [path for path in files if path.is_file() and path.stat().st_mtime > time.time() + _SLACK_SECONDS]
        if late:
            yield machine(
                "clock",
                Verdict.WARNING,
                f"the clock is earlier than {late[0]}",
                "events would be logged at wrong times; set the clock: timedatectl set-ntp true",
            )
        else:
            yield machine("clock", Verdict.OK, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
