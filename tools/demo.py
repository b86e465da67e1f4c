"""The whole story on the example: train, bring up, ask, and say where everything is. `make demo` sets up the environment first."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlsandbox.endpoint import Endpoint, curl_line

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "examples" / "employment"
SANDBOX = Path(sys.executable).with_name("sandbox")


def main() -> int:
    print("1. Train the example on census data", flush=True)
    train = subprocess.run([sys.executable, str(PROJECT / "train.py")], check=False)
    if train.returncode != 0:
        return train.returncode

    print("\n2. Bring it up: .venv/bin/sandbox -C examples/employment --engine embedded up", flush=True)
    up = subprocess.run([str(SANDBOX), "-C", str(PROJECT), "--engine", "embedded", "up", "-o", "json"], stdout=subprocess.PIPE, check=False)
    if up.returncode != 0:
        return up.returncode
    stack: dict[str, Any] = json.loads(up.stdout)

    print("\n3. Ask it about a person")
    api = str(stack["endpoints"]["api"])
    row = json.loads((PROJECT / "employment" / "capture.json").read_text(encoding="utf-8"))["example"]
    with Endpoint(api) as endpoint:
        answer = endpoint.predict(row)
    print(f"   {json.dumps(answer.body)}\n   in {answer.seconds * 1000:.1f} ms")
    print(summary(api, curl_line(api, row)))
    return 0


def summary(api: str, curl: str) -> str:
    """Where logs and metrics are, how to stop, and a command that can be pasted."""
    command = f"{shlex.quote(str(SANDBOX))} -C {shlex.quote(str(PROJECT))}"
    return f"""
   Logs      {command} logs --requests
   State     {command} status
   Stop      {command} down

   Metrics   {api}/metrics
   OpenAPI   {api}/docs.json
   API       {api}

   {curl}
"""


if __name__ == "__main__":
    sys.exit(main())
