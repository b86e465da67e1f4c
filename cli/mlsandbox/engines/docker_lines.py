"""Lines of output as the Docker engine gives them (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsandbox.engines.base import LogLine
from mlsandbox.engines.docker_observe import utc

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class Stamped:
    """A line with the time that the engine gave it: nanoseconds, so that lines of several containers can be merged."""

    stamp: str
    line: LogLine


def parsed(service: str, text: str) -> Stamped:
    """A line as the engine gives it: its time, a space, what was written; without a time when a log driver gives none."""
    stamp, _, written = text.partition(" ")
    try:
        time = utc(stamp)
    except ValueError:
        stamp, time, written = "", "", text
    return Stamped(stamp, LogLine(service, time, _ESCAPES.sub("", written).rstrip("\r")))


def lines_of(raw: bytes) -> list[str]:
    """The lines of output; carriage returns, as progress bars write them, and other separators do not end one."""
    text = raw.decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n") if text else []
