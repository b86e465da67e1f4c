"""What becomes of a build's secrets when it is killed."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from mlsandbox.packaging.image_build import PRIVATE, remove_left_secrets


def _left(place: Path, name: str) -> Path:
    """A folder of a build that began long ago."""
    folder = place / f"{PRIVATE}{name}"
    folder.mkdir(mode=0o700)
    (folder / "install").write_text("export PIP_INDEX_URL=https://robot:s3cret@index.example.org/\n")
    long_ago = time.time() - 3_600
    os.utime(folder, (long_ago, long_ago))
    return folder


def test_secrets_of_a_killed_build_go_with_the_next_one(tmp_path: Path) -> None:
    """What a killed build left must go; what a build uses now, what is new, and what is no such folder must stay."""
    left, used = _left(tmp_path, "left"), _left(tmp_path, "used")
    new = tmp_path / f"{PRIVATE}new"
    new.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / f"{PRIVATE}link"
    link.symlink_to(elsewhere)
    descriptor = os.open(used, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        remove_left_secrets(tmp_path)
    finally:
        os.close(descriptor)

    assert not left.exists()
    assert (used / "install").is_file()
    assert new.is_dir()
    assert link.is_symlink()
    assert elsewhere.is_dir()
