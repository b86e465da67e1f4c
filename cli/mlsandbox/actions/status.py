"""How the stack is."""

from __future__ import annotations

import time
from typing import Final

from mlsandbox.actions.outcomes import StatusResult
from mlsandbox.actions.sight import Sight, look
from mlsandbox.errors import NotHealthyInTime
from mlsandbox.project import Project

WAIT_SECONDS: Final = 60.0


def status(project: Project) -> StatusResult:
    """One look at the project's stack."""
    return _result(project, look(project.root))


def wait_healthy(project: Project, *, timeout: float | None = None) -> StatusResult:
    """Look until the stack is healthy.

    Args:
        project: whose stack is meant.
        timeout: seconds; None: WAIT_SECONDS.

    Raises:
        NotHealthyInTime: it is not, in that time.
    """
    limit = WAIT_SECONDS if timeout is None else timeout
    deadline = time.monotonic() + limit
    while True:
        result = status(project)
        if result.state == "healthy":
            return result
        if time.monotonic() >= deadline:
            raise NotHealthyInTime(
                f"{project.name} is {result.state}, and was not healthy within {limit:g} s",
                why="\n".join(result.warnings),
                fix="see what is wrong: sandbox logs",
                details={"state": result.state, "services": {each.name: each.state for each in result.services}},
            )
        time.sleep(0.1)


def _result(project: Project, sight: Sight) -> StatusResult:
    return StatusResult(
        project=project.name,
        engine=sight.engine.name,
        state=sight.state,
        version=sight.version,
        since=sight.since,
        endpoints=sight.endpoints,
        services=sight.services,
        warnings=tuple(_warnings(sight)),
    )


def _warnings(sight: Sight) -> list[str]:
    if sight.state == "stopped":
        return ["nothing is running; start it: sandbox up"]
    stopped = [f"{name} is stopped; start it: sandbox up" for name in sight.stopped]
    bad = [each for each in sight.services if each.state != "healthy"]
    return stopped + [
        f"{each.name} is {each.state}{': ' + each.reason if each.reason else ''}; its output: sandbox logs {each.name}" for each in bad
    ]
