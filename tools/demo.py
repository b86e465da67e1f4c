"""The whole story on the example: train, bring up, ask, and say where everything is. `make demo` sets up the environment first."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "examples" / "employment"
SANDBOX = Path(sys.executable).with_name("sandbox")


def main() -> int:
    print("1. Train the example on census data", flush=True)
    train = subprocess.run([sys.executable, str(PROJECT / "train.py")], check=False)
    if train.returncode != 0:
        return train.returncode

    print("\n2. Bring it up: sandbox -C examples/employment up", flush=True)
    up = subprocess.run([str(SANDBOX), "-C", str(PROJECT), "up", "-o", "json"], stdout=subprocess.PIPE, check=False)
    if up.returncode != 0:
        return up.returncode
    stack: dict[str, Any] = json.loads(up.stdout)

    print("\n3. Ask it about a person")
    api = str(stack["endpoints"]["api"])
    row = json.loads((PROJECT / "employment" / "capture.json").read_text(encoding="utf-8"))["example"]
    answer, milliseconds = ask(f"{api}/predict", row)
    print(f"   {json.dumps(answer)}\n   in {milliseconds:.1f} ms")
    print(summary(api, row))
    return 0


def ask(url: str, row: dict[str, Any]) -> tuple[Any, float]:
    """POST one row; the answer and how long it took, in milliseconds."""
    with httpx.Client() as client:
        started = time.perf_counter()
        response = client.post(url, json=row, timeout=30).raise_for_status()
        return response.json(), (time.perf_counter() - started) * 1000


def summary(api: str, row: dict[str, Any]) -> str:
    """Where logs and metrics are, how to stop, and a command that can be pasted."""
    command = f"{shlex.quote(str(SANDBOX))} -C {shlex.quote(str(PROJECT))}"
    body = shlex.quote(json.dumps(row))
    return f"""
   Logs      {command} logs --requests
   State     {command} status
   Stop      {command} down

   Metrics   {api}/metrics
   OpenAPI   {api}/docs.json
   API       {api}

   curl -s {api}/predict -H 'content-type: application/json' -d {body}
"""


if __name__ == "__main__":
    sys.exit(main())
