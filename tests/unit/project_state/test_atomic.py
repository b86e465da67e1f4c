"""Files that are whole or not there, and what a killed writer leaves."""

from __future__ import annotations

import os
from pathlib import Path

from mlsandbox.atomic import remove_leftovers
from mlsandbox.liveness import is_alive

NOBODY = 2**22 + 1
"""Above the most that Linux gives a process (proc(5), pid_max)."""


def test_liveness() -> None:
    """Ourselves and what belongs to somebody else must be alive; a number that no process can have must not, however large it is."""
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(NOBODY)
    assert not is_alive(2**80)


def test_only_the_leftovers_of_the_dead_go(tmp_path: Path) -> None:
    """What a killed process was writing must go; what a living one writes, what belongs to another file and files of others must stay."""
    gone = [f".a[1].json.{NOBODY}.tmp", f".a[1].json.{2**80}.tmp"]
    kept = [f".a[1].json.{os.getpid()}.tmp", ".a[1].json.mine.tmp", f".a1.json.{NOBODY}.tmp", "a[1].json"]
    for name in (*gone, *kept):
        (tmp_path / name).touch()

    remove_leftovers(tmp_path / "a[1].json")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
