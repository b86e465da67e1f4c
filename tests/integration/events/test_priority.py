"""What delivers and stores events must give way to what answers requests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlsandbox_serving.priority import NICE
from support.event_processes import LogStore, ShipperProcess, free_port

_AUTOGROUP = Path("/proc/self/autogroup")
_REPORT = """
import os
from pathlib import Path
from mlsandbox_serving.priority import give_way
give_way()
give_way()
group = Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), *(group.read_text().split()[-1:] if group.exists() else []))
"""


def _grouped() -> bool:
    """Whether this kernel groups processes by session; a kernel that could but does not has the file, and nothing in it."""
    return _AUTOGROUP.exists() and bool(_AUTOGROUP.read_text().split())


@pytest.mark.parametrize("kind", ["shipper", "log-store"])
def test_delivery_runs_at_a_low_priority(tmp_path: Path, kind: str) -> None:
    """Shipper and log store must have lowered their priority by the time they are ready."""
    service = ShipperProcess(tmp_path, {"dead": free_port()}) if kind == "shipper" else LogStore(tmp_path)
    service.start()
    assert service.process is not None
    try:
        assert os.getpriority(os.PRIO_PROCESS, service.process.pid) == NICE
    finally:
        service.kill()


@pytest.mark.skipif(not _grouped(), reason="this kernel does not group processes by session")
@pytest.mark.parametrize("own", [True, False], ids=["its own session", "a session of others"])
def test_a_session_gives_way_when_it_is_its_own(own: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The session's priority must be lowered with the process's, but not when others run in the session too."""
    before = _AUTOGROUP.read_text().split()[-1]
    done = subprocess.run([sys.executable, "-c", _REPORT], capture_output=True, text=True, check=True, start_new_session=own)
    assert done.stdout.split() == [str(NICE), str(NICE) if own else before]


def test_a_lower_priority_is_kept() -> None:
    """A process that gives way more than that already must stay as it is."""
    lower = f"import os\nos.nice({NICE + 5})\n" + _REPORT
    done = subprocess.run([sys.executable, "-c", lower], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == str(NICE + 5)
