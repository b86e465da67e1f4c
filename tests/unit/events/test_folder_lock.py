"""The lock of a folder."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from mlsandbox_serving.folder_lock import FolderLock


def test_one_alone_has_it(tmp_path: Path) -> None:
    """While one has it no other can, and once that has let go the next one can."""
    first, second = FolderLock(tmp_path / "new"), FolderLock(tmp_path / "new")

    assert (first.take(), second.take()) == (True, False)
    first.release()
    assert second.take()
    second.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_a_warning(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that cannot lock must run all the same, and say what that means."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)

    lock = FolderLock(tmp_path)
    assert lock.take()
    lock.release()
    assert f"cannot lock {tmp_path}" in caplog.text
    assert "no locks here" in caplog.text


def test_a_folder_that_cannot_be_used_is_a_failure(tmp_path: Path) -> None:
    """Where nothing can be written the service must end, and not run without its lock."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        FolderLock(tmp_path / "file")
