"""Generated secrets: files that only their owner can read, made once and kept."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex
from typing import Final

from mlsandbox.atomic import write_atomic

SHARED: Final = 0o640
"""For containers too: their user is another one, in our group. The folder stays the owner's alone."""


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
        write_atomic(path, token_hex(32) + "\n", mode=mode)
    if mode & ~path.stat().st_mode & 0o777:
        os.chown(path, -1, os.getegid())
        path.chmod(path.stat().st_mode & 0o777 | mode)
    return path
