"""Packages that several tests serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.served import Laid, fitted, lay, people


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A package without guarded columns."""
    frame = people()
    return lay(tmp_path_factory.mktemp("plain"), fitted(frame), frame)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A package with a private and a hashed column."""
    frame = people()
    return lay(tmp_path_factory.mktemp("guarded"), fitted(frame), frame, manifest={"private": ["email"], "hashed": ["age"]})


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A key file for hashed columns."""
    file = tmp_path / "key"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    return str(file)
