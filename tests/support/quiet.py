"""A report that keeps what it was told, for use cases that are called without a terminal."""

from __future__ import annotations


class Quiet:
    """See `mlsandbox.actions.outcomes.Report`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        self.lines.append(f"{text} {detail}".rstrip() if seconds is None else text)

    def warn(self, text: str) -> None:
        self.lines.append(text)

    def note(self, text: str) -> None:
        self.lines.append(text)
