"""Marks of version changes on Grafana's dashboards; they are a help to the reader, so a failure to set one is no error."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

TAGS: Final = ("sandbox", "deploy")
"""What the dashboards show annotations by; every annotation has them."""
_HOST: Final = "127.0.0.1"
_PATH: Final = "/api/annotations"
_USER: Final = "admin"
_TIMEOUT: Final = 3.0
_LARGEST_ANSWER: Final = 64 * 1024


def annotate(port: int, password_file: Path, text: str, tags: Sequence[str] = (), time: datetime | None = None) -> str | None:
    """Mark a moment on every dashboard.

    Args:
        port: of Grafana, on this machine.
        password_file: holds the admin's password.
        text: what is shown.
        tags: besides TAGS, such as the model's name and version.
        time: with a time zone; None: now.

    Returns:
        Why there is no mark; None when there is one. Never raises for what happens to files or to Grafana.
    """
    moment = time or datetime.now(UTC)
    body = {"time": int(moment.timestamp() * 1000), "tags": list(dict.fromkeys((*TAGS, *tags))), "text": text}
    try:
        password = password_file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        return f"the password of Grafana's admin cannot be read: {error}"
    try:
        status, answer = _post(port, password, json.dumps(body).encode())
    except (OSError, http.client.HTTPException) as error:
        return f"Grafana does not answer on port {port}: {str(error) or type(error).__name__}"
    if status == http.client.OK:
        return None
    if status == http.client.UNAUTHORIZED:
        return f"Grafana refuses the admin's password in {password_file}: it keeps the one that it was first started with"
    return f"Grafana answered {status}: {answer}"


def _post(port: int, password: str, body: bytes) -> tuple[int, str]:
    credentials = base64.b64encode(f"{_USER}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json", "Accept": "application/json"}
    connection = http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT)
    try:
        connection.request("POST", _PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST_ANSWER).decode("utf-8", "replace").strip()
    finally:
        connection.close()
