"""Running uv: with pip's settings, without downloading Pythons, and with the cache as fallback when the index is out of reach."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mlsandbox.errors import CommandFailed, PackagesUnreachable
from mlsandbox.packaging.interpreters import uv_program
from mlsandbox.packaging.pip_settings import uv_settings
from mlsandbox.run import Completed, run

_NETWORK: Final = re.compile(
    r"error sending request|dns error|tcp connect|timed out|network was disabled|connection (refused|reset)|Failed to fetch", re.IGNORECASE
)
_NOT_CACHED: Final = re.compile(r"([A-Za-z0-9][\w.-]*)(?:==\S+)? was not found in the cache")
_CAUSE: Final = re.compile(r"^\s*(?:error|cause|hint):\s*(.*)$", re.MULTILINE)


def run_uv(
    arguments: Sequence[str],
    *,
    what: str,
    cwd: Path | None = None,
    constraints: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run `uv` and return what it wrote; when the network fails, once more from its cache alone.

    Args:
        arguments: what follows `uv`.
        what: what it is run for, for messages.
        cwd: where it runs; the uv settings of a project there count.
        constraints: for `uv pip compile`: a file of constraints, beside those that the user configured; None: no constraints at all.
        on_line: told each line that uv writes.

    Raises:
        PackagesUnreachable: the index cannot be reached and the cache does not suffice.
        CommandFailed: uv failed for another reason; `details["stderr"]` holds what it said.
    """
    settings = uv_settings()
    env: dict[str, str | None] = {**settings.env, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "VIRTUAL_ENV": None}
    configured = os.environ.get("UV_CONSTRAINT") or settings.env.get("UV_CONSTRAINT", "")
    # A flag would replace the variable; and an install of a lock must not read constraints, which have no hashes.
    env["UV_CONSTRAINT"] = f"{constraints} {configured}".strip() if constraints else None
    argv = [str(uv_program()), *arguments, *(settings.flags if arguments[0] == "pip" else ())]
    try:
        return run(argv, what=what, cwd=cwd, env=env, on_line=on_line)
    except CommandFailed as error:
        first = str(error.details["stderr"])
        if not _NETWORK.search(first):
            raise
    try:
        return run(argv, what=what, cwd=cwd, env={**env, "UV_OFFLINE": "1"}, on_line=on_line)
    except CommandFailed as error:
        second = str(error.details["stderr"])
        if not _NETWORK.search(second) and not _NOT_CACHED.search(second):
            raise
        missing = list(dict.fromkeys(_NOT_CACHED.findall(second)))
        lacking = f"uv's cache does not hold {', '.join(missing)}; everything before it was there" if missing else explanation(second)
        raise PackagesUnreachable(
            f"{what} failed: the package index cannot be reached",
            why=f"{explanation(first)}\n{lacking}",
            fix="connect once (or set pip's proxy, certificate or find-links: pip config list), then do the same again",
            details={"not_cached": missing},
        ) from error


def explanation(stderr: str) -> str:
    """What uv said, without its prefixes and line by line."""
    causes = [re.sub(r"\s+", " ", text).strip() for text in _CAUSE.findall(stderr)]
    return "\n".join(causes) or stderr.strip()
