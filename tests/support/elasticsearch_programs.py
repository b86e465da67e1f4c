"""The programs beside Elasticsearch as processes: its setup, and the finder that `sandbox logs` runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from queue import Queue
from typing import Any

from elasticsearch import Elasticsearch, helpers

from mlsandbox_serving.contract import Env, Field, Finder
from mlsandbox_serving.finding import Conditions
from support.waiting import HANG_SECONDS


def started(module: str, url: str, **more: str) -> subprocess.Popen[str]:
    """A program of ours beside Elasticsearch, with pipes to it."""
    env = {**os.environ, Env.ELASTICSEARCH_URL: url, **more}
    return subprocess.Popen(
        [sys.executable, "-m", module], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def set_up(url: str, **more: str) -> tuple[int, str]:
    """Exit code and log of the setup."""
    process = started("mlsandbox_serving.elasticsearch.setup", url, **more)
    _, log = process.communicate(timeout=HANG_SECONDS)
    return process.returncode, log


def found(url: str, wanted: Conditions) -> list[dict[str, Any]]:
    """What the finder finds."""
    process = started(Finder.ELASTICSEARCH, url)
    output, errors = process.communicate(json.dumps(wanted._asdict()) + "\n", timeout=HANG_SECONDS)
    assert (process.returncode, errors) == (0, "")
    return [json.loads(line) for line in output.splitlines()]


def store(client: Elasticsearch, events: Sequence[dict[str, Any]]) -> None:
    """Store events as Fluentd does: the id is the event's, the index that of its day."""
    actions = [
        {"_index": f"sandbox-events-{event[Field.TIMESTAMP][:10].replace('-', '.')}", "_id": event[Field.EVENT_ID], "_source": event}
        for event in events
    ]
    helpers.bulk(client, actions, refresh=True)


class Follower:
    """A finder that follows; the ids of its events as they come."""

    def __init__(self, url: str, wanted: Conditions) -> None:
        self._process = started(Finder.ELASTICSEARCH, url)
        self._ids: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted._replace(follow=True)._asdict()) + "\n")
        self._process.stdin.flush()

    def next(self) -> str:
        """Id of the next event."""
        return self._ids.get(timeout=HANG_SECONDS)

    def end(self) -> tuple[int, list[str]]:
        """Close its standard input; its exit code and the ids that came since."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(timeout=HANG_SECONDS)
        self._reader.join(HANG_SECONDS)
        return code, [self._ids.get_nowait() for _ in range(self._ids.qsize())]

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._reader.join(HANG_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._ids.put(json.loads(line)[Field.EVENT_ID])
