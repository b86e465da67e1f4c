"""A command that is killed while it replaces a baseline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlsandbox.packaging.baseline_folder import OWN, has_left, kept_files, put_files

KILLED = """
import os, signal, sys
from pathlib import Path
from mlsandbox.packaging.baseline_folder import OWN, put_files

folder, before = Path(sys.argv[1]), sys.argv[2]

def watch(event, args):
    if event == "os.rename" and before == Path(os.fspath(args[1])).name:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
put_files(folder, dict.fromkeys(OWN, b"new"))
"""
FORMER = dict.fromkeys(OWN, b"former")
LAST = OWN[-1]


@pytest.mark.parametrize("before", [OWN[0], LAST, ".baseline.old", "baseline"])
def test_it_leaves_the_former_one_or_none(tmp_path: Path, before: str) -> None:
    """Killed before any rename, never must files of two baselines lie together; the next command must clean up, and lose nothing else."""
    folder = tmp_path / "baseline"
    put_files(folder, FORMER)
    (folder / "README.md").write_text("ours")

    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), before], check=False, capture_output=True, text=True)

    assert killed.returncode == -9, killed.stderr
    assert kept_files(folder) == ({} if before == "baseline" else FORMER)
    assert has_left(folder)
    put_files(folder, FORMER)
    assert kept_files(folder) == FORMER
    assert (folder / "README.md").read_text() == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["baseline"]
