"""mlsandbox: turn a fitted model into a verified, measured, logged endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsandbox.saving import save

__all__ = ["save"]


def __getattr__(name: str) -> Any:
    """`save` is imported when it is used: the command line must start fast."""
    if name == "save":
        from mlsandbox.saving import save  # noqa: PLC0415 - only for those who save

        return save
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
