"""A `Report` for tests of what is done, not of what is told."""

from __future__ import annotations


class SilentReport:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, text: str) -> None:
        """See `Report`."""
        self.told.append(text)

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        """See `Report`."""
        del seconds
        self.told.append(f"{text} {detail}".strip())

    def warn(self, text: str) -> None:
        """See `Report`."""
        self.told.append(text)

    def note(self, text: str) -> None:
        """See `Report`."""
        self.told.append(text)
