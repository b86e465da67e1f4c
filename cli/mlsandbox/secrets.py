"""Generated secrets: files that only their owner can read, made once and kept."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

from mlsandbox.atomic import write_atomic


def ensure_secret(sandbox: Path, name: str) -> Path:
    """The file of a secret, made with 256 random bits in hexadecimal when it is not there."""
    folder = sandbox / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        write_atomic(path, token_hex(32) + "\n", mode=0o600)
    return path
