"""What every level shares: the marker of the folder a test lies in, and the flag that rewrites golden files."""

from __future__ import annotations

from pathlib import Path

import pytest

LEVELS = ("unit", "contract", "conformance", "integration", "packaging", "e2e")
_TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`: the files that a golden test compares with are written anew instead; read the diff before committing it."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing with them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its level, so that `pytest -m integration` means the folder wherever it is started from."""
    for item in items:
        level = item.path.relative_to(_TESTS).parts[0]
        if level not in LEVELS:
            raise pytest.UsageError(f"{item.path} lies in none of the levels {', '.join(LEVELS)}")
        item.add_marker(level)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew (`pytest --update-golden`)."""
    return bool(request.config.getoption("--update-golden"))
