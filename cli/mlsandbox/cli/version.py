"""`sandbox version`."""

from __future__ import annotations

import platform
import sys

from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session

EXAMPLES = "$ sandbox version\n$ sandbox --version"


def command(session: Session) -> None:
    """With -o json also the versions of Python and of the platform."""
    line = version_line()
    facts = {
        "version": line.split()[1],
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    session.output.result("Version", facts, line)
