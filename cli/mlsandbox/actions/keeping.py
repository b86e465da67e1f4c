"""Which packages of a model stay when old ones are removed, and why (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlsandbox.stack.components.base import Role


@dataclass(frozen=True, slots=True)
class Needs:
    """What is needed of a model's versions."""

    roles: Mapping[str, Role]
    """Those that run, or that `up` starts again, by version."""
    back_to: str | None = None
    """The version that `sandbox rollback` goes back to."""
    made_now: str | None = None
    """The version that the project's files make: without it `up` would make another one of the same files, and let that answer."""
    answered: Collection[str] = ()
    """Those that answered so lately that requests which they answered are still in the log."""
    retention: str = ""
    """How long requests stay in the log, in words."""


def reasons_to_stay(versions: Sequence[str], needs: Needs, *, keep: int) -> Mapping[str, tuple[str, ...]]:
    """Why each version stays; one without a reason goes.

    Args:
        versions: those that there are packages of, the newest first.
        needs: what is needed of them.
        keep: how many of the newest stay, whatever they did.
    """
    return {version: tuple(_reasons(version, index < keep, needs, keep)) for index, version in enumerate(versions)}


def _reasons(version: str, recent: bool, needs: Needs, keep: int) -> list[str]:  # noqa: FBT001 - of one caller
    role = needs.roles.get(version)
    newest = "it is the newest" if keep == 1 else f"it is one of the newest {keep}"
    found = {
        "it is the champion" if role is Role.CHAMPION else f"it runs as {role}": role is not None,
        "sandbox rollback goes back to it": version == needs.back_to,
        "the project's files make it": version == needs.made_now,
        newest: recent,
        f"it answered within {needs.retention}, and its logged requests can be replayed": version in needs.answered and role is None,
    }
    return [reason for reason, holds in found.items() if holds]
