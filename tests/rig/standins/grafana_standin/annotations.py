"""Annotations, kept in a file of Grafana's data folder."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Annotations:
    """For several threads; what was added is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "standin.sqlite3", check_same_thread=False)
        self._database.execute("CREATE TABLE IF NOT EXISTS annotations (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)")

    def add(self, given: Json) -> int:
        """Keep an annotation and return its id; `time` and `timeEnd` are epoch milliseconds."""
        begin = int(given.get("time") or time.time() * 1000)
        body = {
            "time": begin,
            "timeEnd": int(given.get("timeEnd") or begin),
            "text": given["text"],
            "tags": list(given.get("tags") or []),
            "dashboardUID": given.get("dashboardUID") or "",
            "panelId": int(given.get("panelId") or 0),
        }
        with self._lock, self._database:
            number = self._database.execute("INSERT INTO annotations (body) VALUES (?)", (json.dumps(body),)).lastrowid
        assert number is not None
        return number

    def remove(self, number: int) -> bool:
        with self._lock, self._database:
            return self._database.execute("DELETE FROM annotations WHERE id = ?", (number,)).rowcount > 0

    def find(self, params: dict[str, list[str]]) -> list[Json]:
        """Newest first, by the parameters of GET /api/annotations: all tags must be there unless `matchAny=true`."""
        with self._lock:
            rows = self._database.execute("SELECT id, body FROM annotations").fetchall()
        found = [{"id": number, **json.loads(body)} for number, body in rows]
        tags = set(params.get("tags", []))
        dashboard = params.get("dashboardUID", [""])[0]
        low, high = int(params.get("from", ["0"])[0]), int(params.get("to", [str(2**62)])[0])
        if tags:
            either = params.get("matchAny", ["false"])[0] == "true"
            found = [one for one in found if (tags & set(one["tags"]) if either else tags <= set(one["tags"]))]
        found = [
            one for one in found if one["timeEnd"] >= low and one["time"] <= high and (not dashboard or one["dashboardUID"] == dashboard)
        ]
        return sorted(found, key=lambda one: -one["time"])[: int(params.get("limit", ["100"])[0])]
