"""The environment that the lock describes, built by the project's own code, and one process in it for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.errors import PythonMissing
from mlsandbox.packaging.environments import service_environment
from support.alibi_process import AlibiProcess
from support.sandbox import CACHE


@pytest.fixture(scope="session")
def alibi_python() -> Path:
    """The interpreter; skipped only where no Python is on which alibi-detect runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        try:
            return service_environment("drift-alibi", report=print)
        except PythonMissing as missing:
            pytest.skip(f"{missing}: {missing.why}")


@pytest.fixture(scope="session")
def alibi(alibi_python: Path) -> Iterator[AlibiProcess]:
    """The process."""
    process = AlibiProcess(alibi_python)
    yield process
    process.close()
