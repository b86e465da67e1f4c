"""Other people's clients of the Open Inference Protocol, in an environment of their own that requirements/clients.txt pins."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.errors import SandboxError
from mlsandbox.packaging.environments import ensure_environment
from support.sandbox import CACHE, ROOT

PROGRAMS = Path(__file__).parent / "clients"
LOCK = ROOT / "requirements" / "clients.txt"
MLSERVER_RUNS = sys.version_info < (3, 13)
"""MLServer is made for no newer Python."""


def client_python() -> Path:
    """The interpreter of the clients' environment, built by the project's own code when it is not there; fails where it cannot be."""
    text = LOCK.read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        try:
            return ensure_environment(
                text,
                digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
                python=f"{sys.version_info.major}.{sys.version_info.minor}",
                near=Path(sys.executable),
                name="the clients",
                imports=("tritonclient.http", *(("mlserver.codecs",) if MLSERVER_RUNS else ())),
                report=print,
            )
        except SandboxError as error:
            pytest.fail(f"what {LOCK.name} pins is installed once, which needs a network\n{error}", pytrace=False)


def seen(python: Path, program: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What one of the programs in `clients/` saw.

    Args:
        python: of the clients' environment.
        program: "triton_client" or "mlserver_codecs".
        asked: its standard input.
    """
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    answer = subprocess.run(
        [python, PROGRAMS / f"{program}.py"], input=json.dumps(asked), env=kept, text=True, capture_output=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr
    content: dict[str, Any] = json.loads(answer.stdout)
    return content
