"""Golden trees: folders of files that a test compares with, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def assert_tree(expected: Path, files: Mapping[str, str], *, update: bool) -> None:
    """`expected` must hold exactly these texts, by relative path; with `update` it is made so."""
    there = {path.relative_to(expected).as_posix(): path for path in expected.rglob("*") if path.is_file()}
    if update:
        for name, text in files.items():
            (expected / name).parent.mkdir(parents=True, exist_ok=True)
            (expected / name).write_text(text, encoding="utf-8")
        for name in there.keys() - files.keys():
            there[name].unlink()
        return
    assert {name: path.read_text(encoding="utf-8") for name, path in there.items()} == dict(files)
