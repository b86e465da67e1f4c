"""Sizes and names of files."""

from __future__ import annotations

from pathlib import PurePath
from statistics import median

from support.repository import ROOT, tracked

LONGEST = 400
DRAWERS = {"utils", "util", "helpers", "helper", "common", "constants", "misc"}


def _lines(name: str) -> int:
    return len((ROOT / name).read_text(encoding="utf-8").splitlines())


def test_no_long_file() -> None:
    """A Python file must not be longer than 400 lines: then two things live in one room."""
    too_long = {name: _lines(name) for name in tracked("*.py") if _lines(name) > LONGEST}

    assert too_long == {}


def test_median_size() -> None:
    """Half of the modules must fit on two or three screens."""
    sizes = [_lines(name) for name in tracked("cli/*.py", "services/*.py")]

    assert median(sizes) <= 150


def test_no_drawers() -> None:
    """A module is named after what it holds, never after the drawer it was put into."""
    drawers = [name for name in tracked("*.py") if DRAWERS & {PurePath(part).stem for part in PurePath(name).parts}]

    assert drawers == []
