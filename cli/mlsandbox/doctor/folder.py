"""The project's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mlsandbox.doctor.base import Examined, Finding, Verdict, project


class FolderCheck:
    """What a stack writes can be written."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        if examined.root is None:
            return
        sandbox = examined.root / ".sandbox"
        folder = sandbox if sandbox.is_dir() else examined.root
        if os.access(folder, os.W_OK | os.X_OK):
            yield project("folder", Verdict.OK, f"{folder} can be written")
        else:
            yield project("folder", Verdict.PROBLEM, f"{folder} cannot be written", f"give yourself the right: chmod -R u+rwX '{folder}'")
