"""A command parses, calls one function, and shows its result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlsandbox.cli.commands import COMMANDS
from support.repository import calls, imports, read, tracked

FRAME = tracked("cli/mlsandbox/cli/*.py")
MODULES = [command.module or command.name for command in COMMANDS]
FILES = [name for name in FRAME if re.fullmatch(rf"({'|'.join(MODULES)})(_\w+)?", Path(name).stem)]
"""Of commands, with those that only help one: export.py, export_words.py."""
LONGEST = 80
EFFECTS = {"subprocess", "docker", "shutil", "socket", "sqlite3", "httpx", "urllib"}


@pytest.mark.parametrize("name", FILES)
def test_commands_are_short(name: str) -> None:
    """The files of a command must be short: what does the work lies in actions/."""
    assert len(FILES) > len(MODULES)
    assert len((read(name) or "").splitlines()) <= LONGEST


@pytest.mark.parametrize("name", FRAME)
def test_commands_only_talk(name: str) -> None:
    """The command line must leave programs, files and the network to the use cases it calls."""
    assert imports(name) & EFFECTS == set()
    assert not any(called in {"open", ".open", "io.open"} for called, _ in calls(name))
