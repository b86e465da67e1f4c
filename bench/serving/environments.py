"""Environments of the peers: one each, built by uv from requirements/NAME.txt, kept where the sandbox keeps its own.

The locks hold the same scikit-learn, numpy and pandas as the interpreter that runs the bench (requirements/science.in), so that all serve
the same model file. Resolve one anew, in its folder: uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate
--no-emit-index-url --no-emit-find-links NAME.in -o NAME.txt
"""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from mlsandbox.packaging.environments import ensure_environment

HERE: Final = Path(__file__).resolve().parent
PYTHON: Final = "3.11"
SHARED: Final = ("numpy", "pandas", "scikit-learn")


def peer_environment(name: str, imports: tuple[str, ...]) -> Path:
    """The interpreter of a peer's environment, built first when it is not there.

    Args:
        name: of the lock in requirements/.
        imports: modules that must import for it to count as built.

    Raises:
        SystemExit: the lock has other versions than this interpreter.
        SandboxError: it cannot be built.
    """
    text = (HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    for library in SHARED:
        here, there = version(library), pinned(text, library)
        if here != there:
            raise SystemExit(f"{library} is {here} here and {there} in requirements/{name}.txt: resolve it anew, see {__file__}")
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return ensure_environment(text, digest=digest, python=PYTHON, name=f"the peer {name}", imports=imports, report=print)


def pinned(text: str, library: str) -> str:
    """The version of a library in the text of a lock; "none" when it is not there."""
    found = re.search(rf"^{re.escape(library)}==(\S+)", text, re.MULTILINE)
    return found[1] if found else "none"


def locked_version(name: str, library: str) -> str:
    """The version of a library in a peer's lock."""
    return pinned((HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8"), library)
