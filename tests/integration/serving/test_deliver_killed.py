"""A volume is filled by processes that may be killed, and by several at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import mlsandbox_serving
from mlsandbox_serving.deliver import verify
from support.bento_files import MODEL, lay_bento
from support.waiting import wait_for

SERVED = Path(mlsandbox_serving.__path__[0]).parent
MANY = "0123456789abcdef" * 4_000_000
"""Takes a while to copy."""


def filling(bento: Path, target: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlsandbox_serving.deliver", "fill", str(bento), str(target)]
    return subprocess.Popen(command, cwd=SERVED, stderr=subprocess.PIPE, text=True)


def test_a_kill_while_it_copies_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    """Killed while it copies, nothing but the whole must have the folder's name; the next try must finish, and leave nothing else."""
    bento, volume = lay_bento(tmp_path / "bento", MANY), tmp_path / "volume"
    with filling(bento, volume / "v3") as first:
        wait_for(lambda: any(volume.glob("v3.part-*")) or (volume / "v3").exists(), every=0.001, what="the first file")
        first.send_signal(signal.SIGKILL)
    if (volume / "v3").exists():  # on a machine that was busy elsewhere until all was copied
        verify(bento, volume / "v3")

    with filling(bento, volume / "v3") as second:
        assert second.wait(60) == 0, second.stderr.read() if second.stderr else ""
    assert verify(bento, volume / "v3") > 0
    assert [path.name for path in volume.iterdir()] == ["v3"]


def test_several_at_once_are_as_good_as_one(tmp_path: Path) -> None:
    """However many fill it at once, it must be whole; who comes too late may fail, and must find it there the next time."""
    bento, target = lay_bento(tmp_path / "bento", MANY), tmp_path / "volume" / "v3"
    processes = [filling(bento, target) for _ in range(3)]
    codes = []
    for each in processes:
        with each:
            codes.append(each.wait(120))

    assert 0 in codes
    assert set(codes) <= {0, 1}
    assert verify(bento, target) > 0
    assert (target / MODEL / "model.joblib").stat().st_size == len(MANY)
    with filling(bento, target) as late:
        assert late.wait(60) == 0
