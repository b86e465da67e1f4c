"""A package's own answers to rows: its program, its model, its environment, without a service."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlsandbox.errors import CommandFailed, ReplayUnable
from mlsandbox.packaging.bento import serving_environment
from mlsandbox.packaging.package import Package, verify_package
from mlsandbox.packaging.store import ensure_package_environment
from mlsandbox.run import converse
from mlsandbox_serving.contract import Replayer


@dataclass(frozen=True, slots=True)
class Request:
    """Rows to be answered.

    Args:
        id: any JSON value.
        columns: values by column, as an event holds them.
    """

    id: Any
    columns: Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the package says to one request.

    Args:
        id: of the request.
        predictions: one per row.
        probabilities: one list per row; None when the model has none.
        seconds: that the model took.
        tolerance: "predictions" and "probabilities", each with "rtol" and "atol"; None where only equal is the same.
        error: "code" and "message" of what it refused or failed on; nothing else is there then.
    """

    id: Any
    predictions: list[Any] = field(default_factory=list)
    probabilities: list[Any] | None = None
    seconds: float = 0.0
    tolerance: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    error: Mapping[str, str] | None = None


def answers_of(package: Package, requests: Iterable[Request], *, report: Callable[[str], None]) -> Iterator[Answered]:
    """One answer for each request, in their order; the next request is taken when the one before it was answered.

    The model is loaded once, for all of them, when the first answer is asked for.

    Args:
        package: that answers; its environment is built again from its lock when it is gone.
        requests: what it is asked.
        report: told what takes time.

    Raises:
        PackageTampered: it is not what was packaged; nothing of it is run.
        PythonMissing, PackagesUnreachable, PackagingFailed: its environment cannot be built.
        ReplayUnable: its model cannot be asked.
    """
    verify_package(package)
    python = ensure_package_environment(package, report=report)
    asked: deque[Any] = deque()

    def lines() -> Iterator[str]:
        for request in requests:
            asked.append(request.id)
            yield json.dumps({"id": request.id, "columns": request.columns})

    try:
        for line in converse(
            [python, "-W", "ignore", "-m", Replayer.PROGRAM, package.bento_path],
            lines(),
            cwd=package.source,
            # No bytecode: a package stays as it is.
            env=serving_environment(PYTHONPATH=str(package.source), PYTHONDONTWRITEBYTECODE="1"),
            what=f"asking {package.tag}",
        ):
            yield _answered(asked.popleft(), json.loads(line))
    except CommandFailed as failure:
        raise _unable(package, failure) from failure


def _answered(identity: Any, told: Mapping[str, Any]) -> Answered:
    if "error" in told:
        return Answered(identity, error=told["error"])
    return Answered(identity, told["predictions"], told["probabilities"], told["seconds"], told["tolerance"])


def _unable(package: Package, failure: CommandFailed) -> ReplayUnable:
    stderr = str(failure.details.get("stderr", ""))
    what = f"{package.tag} cannot be asked again"
    if failure.details.get("returncode") == Replayer.UNSERVABLE:
        try:
            told = json.loads(stderr.strip().splitlines()[-1])["error"]
            tried = f"sandbox deploy {package.version} --as challenger"
            return ReplayUnable(what, why=str(told["message"]), fix=f"see how it does as a service: {tried}", details=told)
        except (LookupError, TypeError, ValueError):
            pass
    if f"No module named {Replayer.PROGRAM}" in stderr:
        return ReplayUnable(
            what,
            why="It was packaged by an earlier version of the tool, before there were replays.",
            fix="package it anew, which makes another version: sandbox up",
        )
    return ReplayUnable(what, why=failure.why, fix=failure.fix, details=failure.details)
