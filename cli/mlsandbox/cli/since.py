"""How long ago something may be, as a flag says it."""

from __future__ import annotations

import time

from mlsandbox.errors import UsageError
from mlsandbox.setting_kinds import parse_seconds


def moment_of(since: str | None, *, example: str) -> float | None:
    """The moment that was so long ago, in epoch seconds; None without one.

    Args:
        since: such as "10m". What is before 1970 is 1970: stores have no earlier time.
        example: how it is to be written, for the error message.

    Raises:
        UsageError: it is no duration.
    """
    try:
        return None if since is None else max(time.time() - parse_seconds(since), 0.0)
    except ValueError as problem:
        raise UsageError(f"--since {problem}", fix=example) from problem
