"""Stay with a running stack: show what its services write, and stop it at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mlsandbox.actions.down import down
from mlsandbox.actions.logs import service_lines
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.sight import look
from mlsandbox.engines.base import LogLine

_LOOK_SECONDS: Final = 0.5


def attach(root: Path, name: str, report: Report, show: Callable[[LogLine], None]) -> None:
    """Show new output until the stack is stopped elsewhere; when this is interrupted, stop the stack, then raise again.

    Args:
        root: the project's folder.
        name: the project's.
        report: told of the stopping.
        show: given each new line.
    """

    def follow() -> None:
        for line in service_lines(root, (), lines=0, since=None, follow=True):
            show(line)

    threading.Thread(target=follow, daemon=True).start()
    try:
        while look(root).observed.running:
            time.sleep(_LOOK_SECONDS)
    except BaseException:
        down(root, name, report)
        raise
