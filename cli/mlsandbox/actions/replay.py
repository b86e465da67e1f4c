"""Ask the packages that answered again, and compare with what was logged."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.logs import EventFilter, events
from mlsandbox.actions.replay_compare import Replayed, Verdict, compared, judged, tampered, why_not
from mlsandbox.actions.replaying import Request, answers_of
from mlsandbox.errors import NothingLogged, SandboxError
from mlsandbox.packaging.package import Package, list_packages, stored_models, version_names
from mlsandbox_serving.contract import Field, PackageFile

MOST: Final = 10_000_000
"""Rows and events of a log that are looked through."""
_DIGESTS: Final = "mlsandbox_serving/event_digest.py"
"""A package with this file writes a digest into each event."""
Event = Mapping[str, Any]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which logged predictions are replayed.

    Args:
        request_id: of this request alone.
        since: epoch seconds.
        model: of this model alone.
        version: of this version alone.
        limit: the newest, at most so many.
        sample: so many of all, at random; None: all.
        seed: of what is random.
    """

    request_id: str | None = None
    since: float | None = None
    model: str | None = None
    version: str | None = None
    limit: int = 1_000
    sample: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PackageReplay:
    """What came of the predictions of one package."""

    model: str
    version: str
    digest: str
    counts: Mapping[str, int]
    """By verdict."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of all of them."""

    events: int
    counts: Mapping[str, int]
    """By verdict, all of them."""
    rows: int
    """Rows that were compared."""
    unsealed: int
    """Events without a digest: a change of them would not be known."""
    sample: int | None
    seed: int | None
    """Of the sample."""
    limit: int | None
    """More fit, and only so many, the newest, were replayed; None: all that fit, or a sample of all."""
    packages: tuple[PackageReplay, ...]
    others: tuple[Replayed, ...]
    """Those that are not equal, the worst first."""
    elapsed: float
    """Seconds."""

    @property
    def is_bad(self) -> bool:
        """Whether an answer differs, or an event was changed."""
        return bool(self.counts[Verdict.DIFFERENT] or self.counts[Verdict.TAMPERED])


def replay(root: Path, wanted: Wanted, report: Report) -> ReplayResult:
    """Replay logged predictions, each on the package that answered it.

    Args:
        root: the project's folder.
        wanted: which.
        report: told what takes time.

    Raises:
        NothingLogged: no prediction fits.
        EventLogUnreadable, NotRunning: the log cannot be asked.
    """
    began = time.monotonic()
    found, more = wanted_events(root, wanted, report)
    outcomes: list[Replayed] = []
    for (model, version, digest), group in grouped(found).items():
        package = package_of(root, model, version)
        able, others = sorted_out(package, digest, group)
        outcomes += others
        if package is not None and able:
            outcomes += _asked(package, able, report)
    return _result(outcomes, wanted, time.monotonic() - began, limit=wanted.limit if more else None)


def wanted_events(root: Path, wanted: Wanted, report: Report) -> tuple[list[Event], bool]:
    """The logged predictions that are to be replayed, and whether there are more; raises what `replay` says of the log."""
    report("reading logged predictions")
    found = _chosen(_found(root, wanted), wanted)
    more = wanted.sample is None and len(found) > wanted.limit
    found = found[: wanted.limit] if more else found
    if not found:
        raise NothingLogged(
            f"no prediction is logged of request {wanted.request_id}" if wanted.request_id else "no logged prediction fits",
            why=_why_nothing(root, wanted),
            fix="see what is logged: sandbox logs --requests",
        )
    return found, more


def _why_nothing(root: Path, wanted: Wanted) -> str:
    models = stored_models(root)
    if wanted.model is not None and wanted.model not in models:
        return f"No model {wanted.model} was packaged here; there are: {', '.join(models) or 'none'}."
    known = version_names(root)
    if wanted.version is not None and wanted.version not in known:
        return f"There is no {wanted.version} here; there are: {', '.join(known) or 'none'}."
    return "An event is there some seconds after the answer, and goes when its time is over."


def _found(root: Path, wanted: Wanted) -> Iterator[Event]:
    """The newest first; without a sample one more than the limit, to know whether there are more."""
    conditions = EventFilter(request_id=wanted.request_id, since=wanted.since, model=wanted.model, version=wanted.version, predictions=True)
    return events(root, conditions, lines=MOST if wanted.sample is not None else wanted.limit + 1, rows=MOST)


def _chosen(found: Iterable[Event], wanted: Wanted) -> list[Event]:
    """All, or so many of them that each is as likely as any other; no more than these are held."""
    if wanted.sample is None:
        return list(found)
    chance = random.Random(wanted.seed)  # noqa: S311 - nothing secret
    kept: list[Event] = []
    for number, event in enumerate(found):
        if number < wanted.sample:
            kept.append(event)
        elif (place := chance.randrange(number + 1)) < wanted.sample:
            kept[place] = event
    return kept


def grouped(found: Iterable[Event]) -> dict[tuple[str, str, str], list[Event]]:
    """By model, version and digest of the package that answered, the oldest event first."""
    groups: dict[tuple[str, str, str], list[Event]] = {}
    for event in sorted(found, key=lambda each: str(each.get(Field.TIMESTAMP))):
        key = (str(event.get(Field.MODEL)), str(event.get(Field.VERSION)), str(event.get(Field.DIGEST)))
        groups.setdefault(key, []).append(event)
    return groups


def package_of(root: Path, model: str, version: str) -> Package | None:
    """The package of a version; None: it is not here."""
    return next((each for each in list_packages(root, model) if each.version == version), None)


def sorted_out(package: Package | None, digest: str, group: Sequence[Event]) -> tuple[list[Event], list[Replayed]]:
    """The events of one package that it can be asked about, and verdicts on the others.

    Args:
        package: by its version; None: it is not here.
        digest: of the package that answered.
        group: its events.
    """
    has_digest = package is not None and (package.source / _DIGESTS).is_file()
    verdicts = [(event, tampered(event, has_digest=has_digest)) for event in group]
    others = [verdict for _, verdict in verdicts if verdict is not None]
    able = []
    untouched = [event for event, verdict in verdicts if verdict is None]
    for event, problem in _with_problems(package, digest, untouched):
        if problem is None:
            able.append(event)
        else:
            others.append(judged(event, Verdict.CANNOT, problem))
    return able, others


def _with_problems(package: Package | None, digest: str, group: Sequence[Event]) -> Iterator[tuple[Event, str | None]]:
    """Each event, and why the package cannot be asked about it."""
    if not group:
        return
    problem, columns = _columns(package, digest, str(group[0].get(Field.VERSION)))
    manifest: Mapping[str, Any] = {} if package is None else package.manifest
    guarded = [*(manifest.get("private") or ()), *(manifest.get("hashed") or ())]
    for event in group:
        yield event, problem or why_not(event, guarded, columns)


def _columns(package: Package | None, digest: str, version: str) -> tuple[str, list[str]]:
    """Why the package cannot be asked, "" when it can; and the columns that it takes."""
    if package is None:
        return f"the package {version} ({_short(digest)}) is not here: it was removed", []
    if package.digest != digest:
        return f"the package {version} that is here is another one ({_short(package.digest)}, {_short(digest)} answered)", []
    try:
        return "", _taken(package)[0]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"the package {version} cannot be read: {error}", []


def _taken(package: Package) -> tuple[list[str], Sequence[Any] | None]:
    """The columns that a package takes, and the classes of its answers; None: it is no classifier."""
    schema = json.loads((package.source / PackageFile.SCHEMA).read_text(encoding="utf-8"))
    return [column["name"] for column in schema["columns"]], schema["output"].get("classes")


def _asked(package: Package, group: Sequence[Event], report: Report) -> Iterator[Replayed]:
    """What the package says now to events that it can be asked about."""
    report(f"asking {package.tag} about {len(group)} logged {'request' if len(group) == 1 else 'requests'} again")
    _, classes = _taken(package)
    done = 0
    try:
        requests = (Request(number, event[Field.INPUTS]) for number, event in enumerate(group))
        for event, answer in zip(group, answers_of(package, requests, report=report), strict=True):
            done += 1
            yield compared(event, answer, classes)
    except SandboxError as error:
        yield from _all(group[done:], f"{error.what}: {error.why}" if error.why else error.what)


def _all(group: Iterable[Event], why: str) -> Iterator[Replayed]:
    return (judged(event, Verdict.CANNOT, why) for event in group)


def _result(outcomes: Sequence[Replayed], wanted: Wanted, elapsed: float, *, limit: int | None) -> ReplayResult:
    worst = list(Verdict)
    others = sorted(
        (each for each in outcomes if each.verdict is not Verdict.EQUAL), key=lambda each: (-worst.index(each.verdict), each.time)
    )
    groups: dict[tuple[str, str, str], list[Replayed]] = {}
    for each in outcomes:
        groups.setdefault((each.model, each.version, each.digest), []).append(each)
    return ReplayResult(
        events=len(outcomes),
        counts=_counts(outcomes),
        rows=sum(each.compared for each in outcomes),
        unsealed=sum(not each.sealed for each in outcomes),
        sample=wanted.sample,
        seed=None if wanted.sample is None else wanted.seed,
        limit=limit,
        packages=tuple(PackageReplay(*key, _counts(group)) for key, group in groups.items()),
        others=tuple(others),
        elapsed=elapsed,
    )


def _counts(outcomes: Iterable[Replayed]) -> dict[str, int]:
    counted = Counter(each.verdict.value for each in outcomes)
    return {verdict.value: counted[verdict.value] for verdict in Verdict}


def _short(digest: str) -> str:
    return f"digest {digest.removeprefix('sha256:')[:12]}" if digest else "no digest"
