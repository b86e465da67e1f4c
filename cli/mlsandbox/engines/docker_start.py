"""Lets Compose start a stack, and ends it as soon as nothing is left to wait for."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from mlsandbox.engines.base import Outcome, Result
from mlsandbox.engines.docker_compose import Compose
from mlsandbox.engines.docker_observe import plain
from mlsandbox.engines.docker_wait import Watch
from mlsandbox.errors import CommandFailed

_GAVE_UP: Final = re.compile(r"dependency failed to start|is unhealthy|didn't complete successfully")
"""Compose ends when what a container needs is unhealthy; it may become healthy yet."""
_PAUSE: Final = 1.0


class _Decided(Exception):
    """There is an outcome while Compose still waits."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.result)
        self.outcome: Final = outcome


def start(compose: Compose, watch: Watch, services: Sequence[str] = (), *, replaces: bool = True) -> Outcome | None:
    """Make and start all containers, or those of some services alone; `replaces` as for `Compose.up`.

    Returns:
        None when all were started and none stands in the way; else what ended it.

    Raises:
        CommandFailed: Compose cannot do it, and no container is the reason.
    """

    def look() -> None:
        outcome = watch.look(settled=False)
        if outcome is None and watch.is_late:
            outcome = watch.timeout()
        if outcome is not None:
            raise _Decided(outcome)

    while True:
        try:
            compose.up(look, services, replaces=replaces)
        except _Decided as decided:
            return decided.outcome
        except CommandFailed as error:
            outcome = _judge(error, watch)
            if outcome is not None:
                return outcome
            time.sleep(_PAUSE)
        else:
            return None


def _judge(error: CommandFailed, watch: Watch) -> Outcome | None:
    """What made Compose end; None when it may try again. Raises the error when no container is the reason."""
    outcome = watch.look(settled=True)
    if outcome is not None and outcome.result is not Result.READY:
        return outcome
    said = str(error.details["stderr"])
    if plain(said) != said:
        return Outcome(Result.CRASHED, "docker", plain(said))
    if not _GAVE_UP.search(said):
        raise error
    return watch.timeout() if watch.is_late else None
