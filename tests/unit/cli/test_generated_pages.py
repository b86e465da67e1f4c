"""Pages that are made from the program are as the program makes them now."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from mlsandbox.cli.commands import COMMANDS
from support.repository import ROOT


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cli_docs", ROOT / "tools" / "cli_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES: dict[str, str] = _generator().pages()


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """A generated page must be what the program gives today; `make docs` writes it anew."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]


def test_every_command_is_there() -> None:
    """The page of the command line must have a part for each command."""
    assert [entry.name for entry in COMMANDS if f"## sandbox {entry.name}\n" not in PAGES["cli.md"]] == []
