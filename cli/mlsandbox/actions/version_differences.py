"""What is different between two versions of a model: from what they were made, and how good they were (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlsandbox.packaging.lock import locked_versions

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"
_OF_COLUMNS: Final = ("type", "dtype", "nullable", "categories", "ordered", "minimum", "maximum")
_OF_OUTPUTS: Final = ("type", "classes", "probabilities")
_SETTINGS: Final = ("output", "private", "hashed", "target")
_FACTS: Final = (
    "model_digest",
    "lock_digest",
    "schema_digest",
    "served_code_digest",
    "data_digest",
    "data_rows",
    "kind",
    "python",
    "captured",
)


@dataclass(frozen=True, slots=True)
class Made:
    """What a version is made from, as far as it is known."""

    facts: Mapping[str, Any]
    """See `mlsandbox.ledger.facts_of`."""
    manifest: Mapping[str, Any] | None = None
    """package.json; None, as for the next two: the package is gone."""
    schema: Mapping[str, Any] | None = None
    """schema.json."""
    lock: str | None = None
    """Its text."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different."""

    name: str
    what: str
    """added, removed or changed."""
    before: Any = None
    after: Any = None
    difference: float | None = None
    """Of two numbers."""


@dataclass(frozen=True, slots=True)
class Differences:
    """All that is different, by what it is about; empty: nothing is. None: it cannot be told, since a package is gone."""

    metrics: tuple[Change, ...]
    parameters: tuple[Change, ...]
    columns: tuple[Change, ...] | None
    output: tuple[Change, ...] | None
    distributions: tuple[Change, ...] | None
    settings: tuple[Change, ...] | None
    code: tuple[Change, ...] | None
    facts: tuple[Change, ...]
    """Digests, data, commit, Python."""


def differences(before: Made, after: Made) -> Differences:
    """What is different in `after`."""
    schemas = None if before.schema is None or after.schema is None else (before.schema, after.schema)
    manifests = None if before.manifest is None or after.manifest is None else (before.manifest, after.manifest)
    locks = None if before.lock is None or after.lock is None else (locked_versions(before.lock), locked_versions(after.lock))
    return Differences(
        metrics=changes(before.facts.get("metrics") or {}, after.facts.get("metrics") or {}),
        parameters=changes(before.facts.get("parameters") or {}, after.facts.get("parameters") or {}),
        columns=schemas and tuple(_columns(*schemas)),
        output=schemas and changes(*({key: each.get("output", {}).get(key) for key in _OF_OUTPUTS} for each in schemas)),
        distributions=locks and changes(*locks),
        settings=manifests and changes(*({key: each.get(key) for key in _SETTINGS} for each in manifests)),
        code=manifests and changes(*({file["path"]: file["sha256"] for file in each.get("code") or ()} for each in manifests)),
        facts=changes(_facts(before.facts), _facts(after.facts)),
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What was added, removed or changed, by name; a member that is None is not there."""
    return tuple(
        Change(name, _what(old, new), old, new, _difference(old, new))
        for name in dict.fromkeys((*before, *after))
        if not _equal(old := before.get(name), new := after.get(name))
    )


def _columns(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Columns that came, went or are of another kind, as "age" and "plan.categories"; and their order."""
    old, new = ({each["name"]: each for each in schema.get("columns", ())} for schema in (before, after))
    for name in dict.fromkeys((*old, *new)):
        if name not in old or name not in new:
            here = old.get(name) or new[name]
            yield Change(name, REMOVED if name in old else ADDED, *((here["type"], None) if name in old else (None, here["type"])))
            continue
        one, other = ({f"{name}.{key}": each[name].get(key) for key in _OF_COLUMNS} for each in (old, new))
        yield from changes(one, other)
    kept, ordered = ([name for name in each if name in old and name in new] for each in (old, new))
    if kept != ordered:
        yield Change("order", CHANGED, kept, ordered)
    if before.get("input") != after.get("input"):
        yield Change("input", CHANGED, before.get("input"), after.get("input"))


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    git = facts.get("git") or {}
    return {**{key: facts.get(key) for key in _FACTS}, "git_commit": git.get("commit"), "git_dirty": git.get("dirty") or None}


def _what(old: object, new: object) -> str:
    if old is None:
        return ADDED
    return REMOVED if new is None else CHANGED


def _equal(old: object, new: object) -> bool:
    """Whether they are the same; NaN is NaN, 1 is not True."""
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old) and math.isnan(new):
        return True
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def _difference(old: object, new: object) -> float | None:
    numbers: Sequence[object] = (old, new)
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        return None
    return float(new) - float(old)  # type: ignore[arg-type] # both are numbers
