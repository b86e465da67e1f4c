"""A reference that was not packaged with its model, but kept by the project in its place; `sandbox drift baseline` makes it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from mlsandbox_serving.contract import ProfileFile


class Baseline(NamedTuple):
    """What is known of one."""

    created: str
    """ISO 8601."""
    source: str
    """Where its rows are from, in words."""

    @property
    def words(self) -> str:
        """As in "compared with 2,000 rows of the reference, a baseline of 2026-11-26, from logs"."""
        return f"a baseline of {self.created.partition('T')[0]}, from {self.source}"


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline whose profile lies in a folder; None when it is that of a package.

    What a baseline left there when it was reset is of another profile: files that are not wanted any more stay until the service runs.
    """
    try:
        document = json.loads((folder / ProfileFile.BASELINE).read_text(encoding="utf-8"))
        if document["files"][ProfileFile.DOCUMENT] != hashlib.sha256((folder / ProfileFile.DOCUMENT).read_bytes()).hexdigest():
            return None
        return Baseline(str(document["created"]), str(document["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
