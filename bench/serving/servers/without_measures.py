"""Serves a bento of this project with measures that do nothing; the bento's own entry is beside it under another name."""

from typing import Any

from mlsandbox_serving.service import measures


class Number(int):
    """A number that the service adds to, whether by its methods or by itself."""

    def inc(self, amount: float = 1) -> None:
        """Nothing."""

    def dec(self, amount: float = 1) -> None:
        """Nothing."""


class Nothing:
    """Takes every call that the service's measures take."""

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        self.in_flight: int = Number()
        self.queued: int = Number()

    def __getattr__(self, name: str) -> Any:
        """A method that does nothing, whatever its name."""
        return _nothing


def _nothing(*_arguments: Any, **_named: Any) -> None:
    return None


measures.Measures = Nothing  # type: ignore[misc, assignment]  # before the worker takes it from there

from with_measures import svc  # type: ignore[import-not-found]  # noqa: E402 - only the copied bento has it

__all__ = ["svc"]
