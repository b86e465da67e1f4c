"""Writing rendered files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlsandbox.render.served import served_files, served_folder
from mlsandbox.render.tree import RenderedFile, prune_tree, write_tree


def _tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*") if path.is_file() and path.name[0] != "."
    }


def test_writes_with_modes(tmp_path: Path) -> None:
    """Files must have the content and the permissions they were given, whatever the umask."""
    before = os.umask(0o077)
    try:
        write_tree(tmp_path, [RenderedFile("a/ü.txt", "one"), RenderedFile("key", "two", 0o600)])
    finally:
        os.umask(before)

    assert _tree(tmp_path) == {"a/ü.txt": "one", "key": "two"}
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a/ü.txt", "key")] == [0o644, 0o600]


def test_unchanged_files_are_not_touched(tmp_path: Path) -> None:
    """Writing the same again must leave the files as they are."""
    write_tree(tmp_path, [RenderedFile("a", "one")])
    before = (tmp_path / "a").stat()

    write_tree(tmp_path, [RenderedFile("a", "one")])

    assert (tmp_path / "a").stat().st_ino == before.st_ino


def test_pruning(tmp_path: Path) -> None:
    """Only files that were written here and are not wanted any more may go; folders go when they are empty."""
    write_tree(tmp_path, [RenderedFile("old/a.py", "one"), RenderedFile("kept", "two")])
    (tmp_path / "old" / "__pycache__").mkdir()
    (tmp_path / "old" / "__pycache__" / "a.cpython-311.pyc").touch()
    (tmp_path / "mine").write_text("mine", "utf-8")
    wanted = [RenderedFile("kept", "two"), RenderedFile("new", "three")]
    write_tree(tmp_path, wanted)
    assert (tmp_path / "old" / "a.py").exists()

    prune_tree(tmp_path, wanted)

    assert _tree(tmp_path) == {"kept": "two", "new": "three", "mine": "mine"}
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", ""])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    """No path may lead out of the tree."""
    with pytest.raises(ValueError, match="leads out of the tree"):
        write_tree(tmp_path / "tree", [RenderedFile(path, "x")])


def test_served_code() -> None:
    """The served code must be complete, below a folder that names its content."""
    files = served_files()

    assert served_folder(files).startswith("served-")
    assert f"{served_folder(files)}/mlsandbox_serving/contract.py" in {file.path for file in files}
    assert not any("__pycache__" in file.path for file in files)
