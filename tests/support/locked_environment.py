"""Programs of others that tests run, each group in an environment of its own that a file of requirements/ pins."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlsandbox.errors import SandboxError
from mlsandbox.packaging.environments import ensure_environment
from support.sandbox import CACHE, ROOT


def locked_python(group: str, *, name: str, imports: Sequence[str]) -> Path:
    """The interpreter of such an environment, built by the project's own code when it is not there; fails where it cannot be.

    Args:
        group: the lock without its ending, "clients".
        name: what it is called in messages.
        imports: modules that must load in it.
    """
    lock = ROOT / "requirements" / f"{group}.txt"
    text = lock.read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        try:
            return ensure_environment(
                text,
                digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
                python=f"{sys.version_info.major}.{sys.version_info.minor}",
                near=Path(sys.executable),
                name=name,
                imports=tuple(imports),
                report=print,
            )
        except SandboxError as error:
            pytest.fail(f"what {lock.name} pins is installed once, which needs a network\n{error}", pytrace=False)
