"""How long BentoML's arbiter waits for its workers when it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.service.settings import SettingInvalid, Settings

_log = logging.getLogger(__name__)
_SPARE_SECONDS: Final = 5.0
"""For leaving the spool, after the last answer."""


def wait_for_requests(environ: Mapping[str, str]) -> None:
    """Let the workers that this process will start answer what they have been asked before they are killed.

    The arbiter kills after 30 s, which BentoML has no setting for: the class of its watchers (circus) is told another default. Without
    that class it stays 30 s, and a warning says so.
    """
    try:
        seconds = Settings.read(environ).timeout + _SPARE_SECONDS
    except SettingInvalid:  # the worker says so, where it is waited for
        return
    try:
        from circus.watcher import Watcher  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with BentoML
    except ImportError as error:
        _log.warning("a stop may cut off requests that take longer than 30 s: %r", error)
        return
    original = Watcher.__init__

    def with_more_time(self: Any, *args: Any, **keywords: Any) -> None:
        original(self, *args, **{"graceful_timeout": seconds, **keywords})

    Watcher.__init__ = with_more_time
