"""Appending to the ledger by several processes, and by such that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from mlsandbox.ledger import Action, Draft, Ledger

APPEND = """
import sys
from pathlib import Path
from mlsandbox.ledger import Action, Draft, Ledger
ledger, count = Ledger(Path(sys.argv[1])), int(sys.argv[3])
number = 0
while not count or number < count:
    number += 1
    (entry,) = ledger.append([Draft(Action.PACKAGED, sys.argv[2], f"v{number}", "sha256:ab", reason="x" * 3000)])
    print(entry.sequence, flush=True)
"""


def appender(sandbox: Path, name: str, count: int = 0) -> subprocess.Popen[str]:
    """A process that appends so many entries, or without end, and prints the sequence of each when it is written."""
    return subprocess.Popen([sys.executable, "-c", APPEND, str(sandbox), name, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_at_once(tmp_path: Path) -> None:
    """Processes that append at the same time must leave one chain with every entry of each, in its order."""
    both = [appender(tmp_path, name, 40) for name in ("one", "two")]
    assert [each.wait(timeout=120) for each in both] == [0, 0]

    found = Ledger(tmp_path).check()

    assert found.problems == ()
    assert [each.sequence for each in found.entries] == list(range(1, 81))
    for name in ("one", "two"):
        assert [each.version for each in found.entries if each.model == name] == [f"v{number}" for number in range(1, 41)]
    for each in both:
        each.communicate()


def test_killed_while_it_appends(tmp_path: Path) -> None:
    """A process that is killed at any moment must lose no entry that it was told is written, and break nothing for the next one."""
    ledger = Ledger(tmp_path)
    for number in range(12):
        process = appender(tmp_path, f"model{number}")
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(number % 4 + 1)]  # by then it is somewhere within the next one
        process.send_signal(signal.SIGKILL)
        told += [int(each) for each in process.communicate()[0].split()]

        found = ledger.check()
        assert found.problems == ()
        assert {each.sequence for each in found.entries} >= set(told)
        (mine,) = ledger.append([Draft(Action.STARTED, "churn", "v1", "sha256:ab")])
        after = ledger.check()
        assert (after.problems, after.torn, after.unsaid, after.entries[-1]) == ((), "", False, mine)
        assert [each.sequence for each in after.entries] == list(range(1, mine.sequence + 1))
