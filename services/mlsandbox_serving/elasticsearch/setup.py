"""`python -m mlsandbox_serving.elasticsearch.setup`: retention and index templates, before the first event; runs once per `up`.

Whatever is there already is written over with the same. Exit codes: 0 done, 1 not done, the last line says why.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from mlsandbox_serving.contract import Env, Index
from mlsandbox_serving.elasticsearch.address import stated
from mlsandbox_serving.elasticsearch.client import Client, ElasticsearchError, Unreachable
from mlsandbox_serving.elasticsearch.templates import dead_letter_template, event_template, policy

_log = logging.getLogger(__name__)

_WAIT_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 0.5
_DEFAULT_RETENTION_SECONDS: Final = 7 * 86_400.0


def set_up(
    client: Client, retention_seconds: float, *, wait_seconds: float = _WAIT_SECONDS, pause: Callable[[float], None] = time.sleep
) -> None:
    """Put policy and templates, as soon as Elasticsearch answers.

    Args:
        client: of Elasticsearch.
        retention_seconds: age at which events are deleted.
        wait_seconds: how long it may take to answer.
        pause: waits between two tries.

    Raises:
        ElasticsearchError: it does not answer in time, or refuses.
    """
    deadline = time.monotonic() + wait_seconds
    for path, body in (
        (f"/_ilm/policy/{Index.EVENTS}", policy(retention_seconds)),
        (f"/_index_template/{Index.EVENTS}", event_template()),
        (f"/_index_template/{Index.DEAD_LETTER}", dead_letter_template()),
    ):
        while True:
            try:
                client.request("PUT", path, body)
                break
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
            pause(_PAUSE_SECONDS)


def main(environ: Mapping[str, str]) -> int:
    """Set up, and say so; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        client = Client(*stated(environ))
        retention = float(environ.get(Env.LOG_RETENTION_SECONDS) or _DEFAULT_RETENTION_SECONDS)
        set_up(client, retention)
    except (KeyError, ValueError, OSError, ElasticsearchError) as error:
        _log.error("Elasticsearch is not set up: %s: %s", type(error).__name__, error)
        return 1
    _log.info("Elasticsearch at %s takes events, and deletes them when they are %.1f days old", client.url, retention / 86_400)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(os.environ))
