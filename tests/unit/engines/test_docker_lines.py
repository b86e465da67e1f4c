"""Lines as the Docker engine gives them."""

from __future__ import annotations

import pytest

from mlsandbox.engines.base import LogLine
from mlsandbox.engines.docker_lines import Stamped, lines_of, parsed

STAMP = "2026-11-25T20:00:00.123456789Z"


@pytest.mark.parametrize(
    ("raw", "lines"),
    [(b"", []), (b"\n", [""]), (b"a\nb\n", ["a", "b"]), (b"a\nb", ["a", "b"]), (b"10 %\r20 %\n\xff\n", ["10 %\r20 %", "\ufffd"])],
)
def test_only_newlines_end_a_line(raw: bytes, lines: list[str]) -> None:
    """Nothing but a newline may end a line, and what is no text must not be lost."""
    assert lines_of(raw) == lines


def test_a_line_and_its_time() -> None:
    """The time must be told in milliseconds, and kept as the engine gave it for merging; escapes must go."""
    assert parsed("api", f"{STAMP} \x1b[31mred\x1b[0m text\r") == Stamped(STAMP, LogLine("api", "2026-11-25T20:00:00.123Z", "red text"))


def test_a_line_without_a_time() -> None:
    """A line that has no time must be told whole."""
    assert parsed("api", "no time here") == Stamped("", LogLine("api", "", "no time here"))
