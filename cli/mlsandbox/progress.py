"""How a long command says what it is doing: a spinner on a terminal, one line per state change elsewhere, JSON lines, or nothing.

All of it goes to standard error. Each renderer is an `actions.outcomes.Report` that can also show a title, the first line of all.
"""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from mlsandbox.output import Output
from mlsandbox.terminal_text import visible

if TYPE_CHECKING:
    from rich.status import Status

_TEXT_WIDTH: Final = 36


class Progress(StrEnum):
    """Values of --progress."""

    AUTO = "auto"
    TTY = "tty"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


class PlainReport:
    """One line per state change, with the seconds since the command began."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        self._output.message(text)

    def step(self, text: str) -> None:
        self._line(f"  {text} …")

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        self._line(done_line(self._output, text, detail, seconds))

    def warn(self, text: str) -> None:
        self._output.warning(text)

    def note(self, text: str) -> None:
        self._line(f"  {text}")

    def close(self) -> None:
        """Nothing is left on the screen."""

    def _line(self, text: str) -> None:
        self._output.message(f"[{time.monotonic() - self._began:5.1f}s] {text}")


class TerminalReport:
    """A spinner for what is being done, one line for what is done."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._status: Status | None = None

    def title(self, text: str) -> None:
        self._output.message(text)

    def step(self, text: str) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow to import, and only terminals need it
        from rich.status import Status  # noqa: PLC0415

        self.close()
        console = Console(file=sys.stderr, no_color=not self._output.err.on, highlight=False, markup=False)
        self._status = Status(f"{visible(text, coloured=False)} …", console=console)
        self._status.start()

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        self.close()
        self._output.message(done_line(self._output, text, detail, seconds))

    def warn(self, text: str) -> None:
        self.close()
        self._output.warning(text)

    def note(self, text: str) -> None:
        self.close()
        self._output.message(f"  {text}")

    def close(self) -> None:
        """Take the spinner off the screen."""
        if self._status is not None:
            self._status.stop()
            self._status = None


class JsonReport:
    """One JSON object per line."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        self._event("title", text)

    def step(self, text: str) -> None:
        self._event("step", text)

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        self._event("done", text, detail=detail or None, seconds=seconds)

    def warn(self, text: str) -> None:
        self._event("warning", text)

    def note(self, text: str) -> None:
        self._event("note", text)

    def close(self) -> None:
        """Nothing is left on the screen."""

    def _event(self, event: str, text: str, **facts: object) -> None:
        elapsed = round(time.monotonic() - self._began, 3)
        self._output.message(json.dumps({"event": event, "text": text, "elapsed": elapsed, **facts}, ensure_ascii=False))


class QuietReport:
    """Warnings alone."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def title(self, text: str) -> None:
        """Not shown."""

    def step(self, text: str) -> None:
        """Not shown."""

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        """Not shown."""

    def warn(self, text: str) -> None:
        self._output.warning(text)

    def note(self, text: str) -> None:
        """Not shown."""

    def close(self) -> None:
        """Nothing is left on the screen."""


AnyReport = PlainReport | TerminalReport | JsonReport | QuietReport


def make_report(progress: Progress, output: Output) -> AnyReport:
    """The renderer for --progress; auto is a spinner only on a terminal, outside CI, and when nothing is echoed."""
    if output.quiet or progress is Progress.QUIET:
        return QuietReport(output)
    if progress is Progress.JSON:
        return JsonReport(output)
    animated = sys.stderr.isatty() and not output.environ.get("CI") and output.environ.get("TERM") != "dumb"
    if progress is Progress.TTY or (progress is Progress.AUTO and animated):
        return TerminalReport(output)
    return PlainReport(output)


def done_line(output: Output, text: str, detail: str, seconds: float | None) -> str:
    """A line such as `✓ Packaged churn v1      unchanged      0.1s`."""
    took = "" if seconds is None else f"{seconds:.1f}s"
    columns = f"{text:<{_TEXT_WIDTH}} {detail}".rstrip() if detail else text
    return f"{output.err.good('✓')} {f'{columns:<78} {output.err.dim(took)}' if took else columns}"
