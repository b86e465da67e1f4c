"""Nothing that comes from outside may steer the user's terminal."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from mlsandbox.engines.base import LogLine
from mlsandbox.errors import UsageError
from mlsandbox.output import Output, Paint
from mlsandbox.terminal_text import COLOURS, visible
from mlsandbox.views.logs import event_text, line_text


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


EVIL = "\x1b]0;title\x07\x1b[2J\x1b[8mhidden\x9b31m\rover\x08\u202egnp.exe\x00"


@pytest.mark.parametrize("coloured", [True, False])
def test_control_characters_are_spelled_out(*, coloured: bool) -> None:
    """Escape sequences, carriage returns, backspaces and turned text must be shown, not obeyed."""
    shown = visible(EVIL, coloured=coloured)

    assert shown.isprintable()
    assert shown.startswith("\\x1b]0;title\\x07\\x1b[2J\\x1b[8mhidden\\x9b31m\\rover".replace("\\r", "\\x0d"))


def test_our_own_colours_stay() -> None:
    """What Paint writes must pass where there are colours, and only there."""
    paint = Paint(on=True)
    text = "".join(method("x") for method in (paint.good, paint.bad, paint.warn, paint.hint, paint.strong, paint.dim))

    assert visible(text, coloured=True) == text
    assert "\x1b" not in visible(text, coloured=False)
    assert len(COLOURS) == 7


def test_lines_and_words_stay() -> None:
    """Newlines, tabulators and letters of any language are text."""
    text = "ä 漢字 עברית\n\tüber\n"

    assert visible(text, coloured=True) == text


@pytest.mark.parametrize("colours", ["", "1"])
def test_what_a_terminal_gets_is_safe(colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines, events, errors and warnings with escape sequences in them must come to a terminal spelled out."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    output = Output(environ={"FORCE_COLOR": colours, "NO_COLOR": "" if colours else "1"})
    event: dict[str, Any] = {"event.dataset": "sandbox.error", "error.code": "X", "error.message": EVIL, "sandbox.model": EVIL}

    output.line(line_text(LogLine("api", "now", EVIL), output.out, 5))
    output.line(event_text(event, output.out))
    output.warning(EVIL)
    output.error(UsageError(EVIL, why=EVIL, fix=EVIL))

    for stream in (out, err):
        left = stream.getvalue()
        for code in COLOURS:
            left = left.replace(f"\x1b[{code}m", "")
        assert left.replace("\n", "").isprintable()


def test_a_pipe_gets_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program must get the bytes unchanged."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    Output(environ={}).line(EVIL)

    assert out.getvalue() == EVIL + "\n"
