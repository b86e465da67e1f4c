"""Generated secrets: files that only their owner can read, made once and kept. API keys are one of them, with several keys in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Final

from mlsandbox.atomic import write_atomic
from mlsandbox.key_file import first_key
from mlsandbox.stack.components.model import API_KEYS

SHARED: Final = 0o640
"""For containers too: their user is another one, in our group. The folder stays the owner's alone."""
OWN_KEY: Final = "sandbox"
"""Name of the first API key, which the commands of `sandbox` send."""
VARIABLE: Final = "SANDBOX_API_KEY"
"""Holds the key to send instead."""


def ensure_secret(sandbox: Path, name: str, *, mode: int = 0o600) -> Path:
    """The file of a secret, made with 256 random bits in hexadecimal when it is not there.

    Args:
        sandbox: the project's `.sandbox`.
        name: of the secret.
        mode: permissions that it must have at least; what is there is never made less readable.
    """
    folder = sandbox / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:  # it came with the project's files, or was made by hand
        folder.chmod(0o700)
    path = folder / name
    if not path.exists():
        write_atomic(path, f"{OWN_KEY}: {token_hex(32)}\n" if name == API_KEYS.name else token_hex(32) + "\n", mode=mode)
    if mode & ~path.stat().st_mode & 0o777:
        os.chown(path, -1, os.getegid())
        path.chmod(path.stat().st_mode & 0o777 | mode)
    return path


def key_path(sandbox: Path) -> Path:
    """Where a project's API keys are."""
    return sandbox / "secrets" / API_KEYS.name


def api_key(sandbox: Path, environ: Mapping[str, str]) -> str | None:
    """The key that our own requests carry: the variable's, else the first of the project's; None when there is none."""
    return environ.get(VARIABLE) or first_key(key_path(sandbox))


def key_for_shell(sandbox: Path, environ: Mapping[str, str]) -> str:
    """The same for a command line to be pasted: where the key is, never what it is."""
    from shlex import quote  # noqa: PLC0415 - only for a command line

    if environ.get(VARIABLE):
        return f"${VARIABLE}"
    return f"""$(awk '/^ *[^# ]/ {{sub(/.*:/, ""); print $1; exit}}' {quote(str(key_path(sandbox)))})"""
