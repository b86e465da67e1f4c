"""Where a model comes from: commit, interpreter, platform, time."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlsandbox.errors import CommandFailed, ProgramMissing
from mlsandbox.run import run


def provenance(folder: Path, *, besides: str) -> dict[str, Any]:
    """Interpreter, platform, time, and the git commit of `folder`; what saving itself writes (`besides`) does not make it dirty."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git": _git(folder, besides),
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _git(folder: Path, besides: str) -> dict[str, Any] | None:
    try:
        commit = run(["git", "-C", folder, "rev-parse", "HEAD"], what="asking for the commit", timeout=10).stdout.strip()
        exceptions = [f":(exclude){besides}", ":(exclude)sandbox.toml"]
        changed = run(
            ["git", "-C", folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", *exceptions],
            what="asking for uncommitted changes",
            timeout=30,
        ).stdout
    except (CommandFailed, ProgramMissing):
        return None
    return {"commit": commit, "dirty": bool(changed.strip())}
