"""Text of versions: which there are, which answers where, what one is made from, and what is different in another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mlsandbox.actions.show_version import VersionDifferences, VersionInfo
from mlsandbox.actions.version_differences import ADDED, REMOVED, Change
from mlsandbox.actions.versions import VersionList
from mlsandbox.actions.where import BesideRow, WhereResult, WhereRow
from mlsandbox.output import Paint
from mlsandbox.stack.components.base import Role
from mlsandbox.views.ledger import action_text, here, lasted
from mlsandbox.views.tables import ago, amount, table

_DIGITS: Final = 12
_METRICS: Final = 3
"""So many fit into a line of a table."""
_LONGEST: Final = 60
"""Characters of a value in a line."""
_NONE: Final = "—"
_EMPTY: Final = "no version yet: nothing was packaged here; sandbox up packages the model and starts it"


def short(digest: str) -> str:
    """Enough of a digest to know it again: twelve digits."""
    return digest.removeprefix("sha256:")[:_DIGITS]


def versions_text(result: VersionList, paint: Paint) -> str:
    """A table, the newest first."""
    if not result.versions:
        return _EMPTY
    several = len({each.model for each in result.versions}) > 1
    rows = [
        (
            *((each.model,) if several else ()),
            each.version,
            short(each.digest),
            here(each.created),
            role_text(each.role, each.percent, shadow=each.shadow),
            here(each.since) or _NONE,
            _few(each.metrics),
        )
        for each in result.versions
    ]
    header = (*(("model",) if several else ()), "version", "digest", "packaged", "role", "since", "metrics")
    head, *body = table(header, rows).splitlines()
    return "\n".join([paint.strong(head), *body])


def role_text(role: str | None, percent: float | None, *, shadow: bool) -> str:
    """As in "champion", "challenger 10 %", "challenger, shadow"; a dash for none."""
    if role != Role.CHALLENGER:
        return role or _NONE
    return "challenger, shadow" if shadow else f"challenger {percent or 0:g} %"


def where_text(result: WhereResult, paint: Paint) -> str:
    """One block per model: who answers, where, since when; and in what that and the ledger disagree."""
    if not result.models:
        return _EMPTY
    return "\n".join(line for each in result.models for line in _where(each, paint))


def version_text(info: VersionInfo, paint: Paint) -> str:
    """Everything that is known of a version."""
    role = role_text(info.role, info.percent, shadow=info.shadow)
    since = f" since {here(info.since)} ({ago(lasted(info.since))})" if info.since else ""
    gone = "" if info.path else "  (its package was removed; this is what the ledger kept of it)"
    rows = [(name, value) for name, value in _info(info, f"{role}{since}") if value]
    lines = [f"{paint.strong(f'{info.model} {info.version}')} · {info.digest}{gone}", *_aligned(rows)]
    for title, values in (
        ("parameters", info.facts.get("parameters")),
        ("metrics", info.facts.get("metrics")),
        ("libraries", info.facts.get("libraries")),
    ):
        if values:
            lines += [f"  {title}", *(f"    {name} = {_value(value)}" for name, value in values.items())]
    if info.history:
        entries = [(here(each.time), action_text(each), each.by, " ".join(each.reason.split())) for each in info.history]
        lines += ["  history", *(f"    {line}" for line in table(("when", "what", "by", "why"), entries).splitlines()[1:])]
    return "\n".join(lines)


def differences_text(result: VersionDifferences, paint: Paint) -> str:
    """What is different, by what it is about."""
    found = result.differences
    head = paint.strong(f"{result.model} {result.before} → {result.after}")
    if result.same:
        return f"{head}: the same in everything that decides about answers (their digests are equal)"
    lines = [head]
    sections: Sequence[tuple[str, tuple[Change, ...] | None]] = (
        ("metrics", found.metrics),
        ("parameters", found.parameters),
        ("columns", found.columns),
        ("output", found.output),
        ("distributions", found.distributions),
        ("settings", found.settings),
        ("code", found.code),
        ("made from", found.facts),
    )
    for title, changes in sections:
        if changes is None:
            lines += [f"  {title}", "    not known: a package was removed"]
        elif changes:
            lines += [f"  {title}", *(f"    {_change(each, paint)}" for each in changes)]
    alike = [title for title, changes in sections if changes == ()]
    return "\n".join([*lines, *([f"  no difference in {', '.join(alike)}"] if alike else [])])


def _where(row: WhereRow, paint: Paint) -> Iterator[str]:
    if row.version is None:
        last = f"; {row.last} did until {here(row.until)}" if row.last else ""
        yield f"{paint.strong(row.model)}: nobody answers{last}"
    else:
        at = f" answers at {paint.hint(row.endpoint)}" if row.endpoint else " should answer"
        yield f"{paint.strong(f'{row.model} {row.version}')}{at} since {here(row.since)} ({ago(lasted(row.since))})"
        yield f"  {row.action} by {row.by}{f': {row.reason}' if row.reason else ''}"
        yield f"  {row.digest}"
    if row.beside:
        yield f"  beside it: {', '.join(_beside(each) for each in row.beside)}"
    if row.problem:
        yield f"  {paint.bad('attention:')} {row.problem}"


def _beside(row: BesideRow) -> str:
    if row.role != Role.CHALLENGER:
        return f"{row.version} stands by"
    return f"{row.version} is tried on {'copies of all requests' if row.shadow else f'{row.percent or 0:g} % of the requests'}"


def _info(info: VersionInfo, role: str) -> Iterator[tuple[str, str]]:
    facts = info.facts
    git, rows = facts.get("git") or {}, facts.get("data_rows")
    yield "role", role
    yield "packaged", here(info.created) + (f" by {info.by}" if info.by else "") + (f": {info.reason}" if info.reason else "")
    yield "captured", " · ".join(each for each in (str(facts.get("captured") or ""), info.platform) if each)
    kind, size = str(facts.get("kind") or ""), amount(info.size_bytes or None)
    yield "model", " · ".join(each for each in (kind, size, str(facts.get("model_digest") or "")) if each)
    many = f"{info.distributions} distributions" if info.distributions else ""
    python = f"Python {facts['python']}" if facts.get("python") else ""
    yield "lock", " · ".join(each for each in (python, many, info.origin, str(facts.get("lock_digest") or "")) if each)
    yield "data", " · ".join(each for each in (f"{rows:,} rows" if rows else "", str(facts.get("data_digest") or "")) if each)
    yield "schema", _schema(info)
    yield "settings", ", ".join(f"{name} = {_value(value)}" for name, value in info.settings.items())
    yield "code", ", ".join(info.code)
    yield "git", (f"{git['commit']}{' with changes that were not committed' if git.get('dirty') else ''}" if git.get("commit") else "")
    checks = [name for name, there in (("golden rows", info.has_golden), ("reference profile", info.has_profile)) if there]
    yield "has", ", ".join(checks)
    yield "lies in", str(info.path or "")


def _schema(info: VersionInfo) -> str:
    if not info.columns:
        return ""
    classes = info.output.get("classes")
    named = f" ({', '.join(map(str, classes))})" if classes else ""
    also = " with probabilities" if info.output.get("probabilities") else ""
    columns = "1 column" if len(info.columns) == 1 else f"{len(info.columns)} columns"
    return f"{columns} → {info.output.get('type', '')}{named}{also}"


def _change(change: Change, paint: Paint) -> str:
    if change.what == ADDED:
        return f"{paint.good('+')} {change.name} {_value(change.after)}"
    if change.what == REMOVED:
        return f"{paint.bad('-')} {change.name} {_value(change.before)}"
    if isinstance(change.before, list) and isinstance(change.after, list) and change.name.endswith(".categories"):
        gone, new = (
            [each for each in one if each not in other] for one, other in ((change.before, change.after), (change.after, change.before))
        )
        told = [f"{sign} {', '.join(map(str, each))}" for sign, each in (("+", new), ("-", gone)) if each]
        return f"{paint.warn('~')} {change.name} {'  '.join(told) or 'in another order'}"
    difference = f"  ({change.difference:+.6g})" if change.difference is not None else ""
    return f"{paint.warn('~')} {change.name} {_value(change.before)} → {_value(change.after)}{difference}"


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    if text.startswith("sha256:") or (len(text) == 64 and set(text) <= set("0123456789abcdef")):
        return short(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _few(metrics: Mapping[str, Any]) -> str:
    told = [f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    more = f" … {len(told) - _METRICS} more" if len(told) > _METRICS else ""
    return ", ".join(told[:_METRICS]) + more


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}  {value}" for name, value in rows]
