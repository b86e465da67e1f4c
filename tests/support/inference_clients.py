"""Other people's clients of the Open Inference Protocol, in an environment of their own that requirements/clients.txt pins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.locked_environment import locked_python

PROGRAMS = Path(__file__).parent / "clients"
MLSERVER_RUNS = sys.version_info < (3, 13)
"""MLServer is made for no newer Python."""


def client_python() -> Path:
    """The interpreter of the clients' environment."""
    imports = ("tritonclient.http", *(("mlserver.codecs",) if MLSERVER_RUNS else ()))
    return locked_python("clients", name="the clients", imports=imports)


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
