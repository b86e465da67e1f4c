"""Which version answers where: what the ledger says, and what answers when it is asked."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlsandbox.actions.records import Records, records
from mlsandbox.actions.sight import Sight, look
from mlsandbox.errors import EngineUnavailable
from mlsandbox.ledger import Interval, intervals, stamp
from mlsandbox.stack.components.base import Role, suffixed
from mlsandbox_serving.contract import Header, Port, Route

_SECONDS: Final = 3.0
_SHORT: Final = 19
"""Characters of a digest in a sentence: "sha256:" and twelve."""


@dataclass(frozen=True, slots=True)
class WhoAnswers:
    """What a front said when it was asked."""

    version: str = ""
    digest: str = ""
    problem: str = ""
    """Why it said nothing; empty when it did."""


@dataclass(frozen=True, slots=True)
class BesideRow:
    """A version that runs beside the one that answers."""

    version: str
    role: str
    percent: float | None
    shadow: bool


@dataclass(frozen=True, slots=True)
class WhereRow:
    """One model."""

    model: str
    version: str | None
    """As the ledger has it; None: nobody answers."""
    digest: str | None
    endpoint: str | None
    """Its address; None while nothing runs."""
    since: str | None
    """In UTC, as all times."""
    action: str | None
    by: str | None
    reason: str | None
    beside: tuple[BesideRow, ...]
    last: str | None
    """When nobody answers: the version that did last."""
    until: str | None
    """And until when."""
    problem: str | None
    """In what the ledger and what answers disagree; None when they do not."""


@dataclass(frozen=True, slots=True)
class WhereResult:
    """All models."""

    models: tuple[WhereRow, ...]
    warnings: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether what answers is what the ledger says, as far as it could be asked."""
        return not any(each.problem for each in self.models)


def who_answers(url: str) -> WhoAnswers:
    """Ask a front which version stands behind it: each answer of a model service says so, whatever it answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", Route.READY)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return WhoAnswers(problem=f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    version, digest = answer.getheader(Header.MODEL_VERSION, ""), answer.getheader(Header.PACKAGE_DIGEST, "")
    return WhoAnswers(version, digest, "" if version else f"its answer ({answer.status}) names no version")


def where(root: Path, model: str | None = None, *, ask: Callable[[str], WhoAnswers] = who_answers) -> WhereResult:
    """Which version answers on which endpoint, since when, and what runs beside it.

    Args:
        root: the project's folder.
        model: only this one.
        ask: how a front that runs is asked.

    Raises:
        UsageError: there is no such model.
        LedgerBroken: the ledger cannot be read at all.
    """
    known = records(root)
    chosen = known.chosen(model)
    warnings = known.warnings
    sight: Sight | None = None
    try:
        sight = look(root)
    except EngineUnavailable as error:
        warnings = (*warnings, f"whether it is so could not be asked: {error.what}")
    fronts = {name: _front(known, name) for name in chosen}
    addresses = {} if sight is None else sight.endpoints
    urls = sorted({addresses[front] for front in fronts.values() if front in addresses})
    with ThreadPoolExecutor(max_workers=max(len(urls), 1)) as pool:
        said = dict(zip(urls, pool.map(ask, urls), strict=True))
    return WhereResult(tuple(_row(known, name, sight, addresses.get(fronts[name]), said) for name in chosen), warnings)


def _row(known: Records, model: str, sight: Sight | None, url: str | None, said: Mapping[str, WhoAnswers]) -> WhereRow:
    told = intervals(known.entries, model)
    current = told[-1] if told and told[-1].until is None else None
    last = told[-1] if told and current is None else None
    beside = known.state.beside.get(model, {}) if url is not None else {}
    return WhereRow(
        model=model,
        version=current.version if current else None,
        digest=current.digest if current else None,
        endpoint=url,
        since=stamp(current.since.timestamp()) if current else None,
        action=current.entry.action.value if current else None,
        by=current.entry.by if current else None,
        reason=current.entry.reason if current else None,
        beside=tuple(
            BesideRow(version, str(facts.get("role", Role.STANDBY)), facts.get("percent"), bool(facts.get("shadow", False)))
            for version, facts in beside.items()
        ),
        last=last.version if last else None,
        until=stamp(last.until.timestamp()) if last and last.until else None,
        problem=None if sight is None else disagreement(current, said.get(url) if url else None) or None,
    )


def disagreement(current: Interval | None, said: WhoAnswers | None) -> str:
    """In what the ledger and what answers disagree (pure); empty when they do not.

    Args:
        current: who answers as the ledger has it; None: nobody.
        said: what the front said; None: it is not there.
    """
    if current is None:
        return f"{said.version} answers, and the ledger does not know since when" if said is not None and said.version else ""
    if said is None:
        return f"{current.version} should answer, and does not run: it was ended by something else than sandbox down; start it: sandbox up"
    if said.problem:
        return f"{current.version} should answer, and nobody does ({said.problem}); how it is: sandbox status"
    if said.version != current.version:
        return f"{current.version} should answer, and {said.version} does; how it is: sandbox status"
    if said.digest and current.digest and said.digest != current.digest:
        return f"{said.version} answers from another package ({said.digest[:_SHORT]}) than the ledger has ({current.digest[:_SHORT]})"
    return ""


def _front(known: Records, model: str) -> str:
    models = tuple(known.state.served)
    return suffixed(Port.API, models, model) if model in models else f"{Port.API}-{model}"
