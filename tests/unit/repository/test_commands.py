"""A command parses, calls one function, and shows its result."""

from __future__ import annotations

import pytest

from support.repository import calls, imports, read, tracked

COMMANDS = tracked("cli/mlsandbox/cli/*.py")
LONGEST = 80
EFFECTS = {"subprocess", "docker", "shutil", "socket", "sqlite3", "httpx", "urllib"}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_thin(name: str) -> None:
    """A command's file must be short, and must leave programs, files and the network to the use case it calls."""
    assert len((read(name) or "").splitlines()) <= LONGEST
    assert imports(name) & EFFECTS == set()
    assert not any(called in {"open", ".open", "io.open"} for called, _ in calls(name))


def test_there_are_commands() -> None:
    """The commands must lie where this test looks for them."""
    assert len(COMMANDS) > 5
