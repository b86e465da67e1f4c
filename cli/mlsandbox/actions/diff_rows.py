"""Rows that two versions are to be asked about: of a file, or of what was logged."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from mlsandbox.actions.drift_baseline import meant_events, unmeant_text
from mlsandbox.actions.logs import EventFilter, events
from mlsandbox.actions.predict import tabular_rows
from mlsandbox.data_columns import no_rows, refuse_unfit
from mlsandbox.data_rows import Row, read_rows
from mlsandbox.errors import InputUnfit, NothingLogged
from mlsandbox.packaging.package import Package, verify_package
from mlsandbox.packaging.store import ensure_package_environment
from mlsandbox.project import Project
from mlsandbox_serving.contract import Field

MOST_EVENTS: Final = 100_000
"""Logged requests that are looked at: the newest."""
_ANY_ROWS: Final = 10_000_000
"""Of the finder, which would leave out a whole request that does not fit: how many are taken is seen here."""

Report = Callable[[str], None]
Schemas = tuple[Mapping[str, Any], Mapping[str, Any]]
"""schema.json of the first version, and of the second."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Since:
    """From when on logged requests are wanted.

    Args:
        epoch: seconds.
        words: how long ago that is, as it was written: "24h".
    """

    epoch: float
    words: str


@dataclass(frozen=True, slots=True)
class RowsToAsk:
    """The same rows as each of the two versions takes them.

    Args:
        source: where they are from, in words.
        total: how many there are; more than these when these are a sample.
        old: for the first version.
        new: for the second.
        numbers: of these rows there; None: the first, the second, …
        counted: how rows are numbered, in words.
    """

    source: str
    total: int
    old: tuple[Row, ...]
    new: tuple[Row, ...]
    numbers: Sequence[int] | None = None
    counted: str = "from 0"


def rows_of_file(path: Path, old: Package, new: Package, schemas: Schemas, most: int, *, report: Report = lambda _: None) -> RowsToAsk:
    """Rows of a file; of more than `most` a sample, the same one each time.

    Args:
        path: the file.
        old: the first version.
        new: the second.
        schemas: of the two.
        most: rows.
        report: told what takes time.

    Raises:
        InputUnreadable: it cannot be read.
        InputUnfit: it has no rows, or lacks columns that one of the versions takes.
        PackageTampered, PythonMissing, PackagesUnreachable, PackagingFailed: it needs the environment of a version, which cannot be had.
    """
    pairs: Iterable[tuple[Row, ...]]
    if schemas[0]["columns"] == schemas[1]["columns"]:
        pairs = ((row, row) for row in _read(path, old, schemas[0], report))
    else:
        pairs = zip(_read(path, old, schemas[0], report), _read(path, new, schemas[1], report), strict=True)
    chosen, total = drawn(enumerate(pairs), most)
    if not chosen:
        raise no_rows(path)
    rows = [pair for _, pair in chosen]
    numbers = [number for number, _ in chosen]
    return RowsToAsk(path.name, total, tuple(each[0] for each in rows), tuple(each[1] for each in rows), numbers, "from 0, as in the file")


def rows_of_logs(project: Project, model: str, since: Since, schemas: Schemas, most: int) -> RowsToAsk:
    """Rows of logged requests, the newest, whichever version answered them; without those that `sandbox` asked for itself.

    Args:
        project: whose log it is.
        model: its name.
        since: older ones are left out.
        schemas: of the two versions.
        most: rows.

    Raises:
        NothingLogged: there are none, or they are logged without what a model needs of them; says why.
        EventLogUnreadable, NotRunning: the log cannot be asked.
    """
    _refuse_unlogged(project, model, schemas)
    unmeant: Counter[str] = Counter()
    found: list[Row] = []
    wanted = EventFilter(requests=True, since=since.epoch, model=model)
    newest = events(project.root, wanted, lines=MOST_EVENTS + 1, rows=_ANY_ROWS)
    for event in meant_events(islice(newest, MOST_EVENTS), unmeant):
        inputs = event.get(Field.INPUTS) or {}
        found += (dict(zip(inputs, values, strict=True)) for values in zip(*inputs.values(), strict=False))
        if len(found) > most:
            break
    more = len(found) > most or next(newest, None) is not None
    if not found:
        asked = (
            f"It was asked about nothing but {unmeant_text(unmeant)}."
            if unmeant
            else f"No request of the last {since.words} is logged with its rows."
        )
        raise NothingLogged(f"no rows of {model} are logged", why=asked, fix="name a file: sandbox diff V1 V2 --data FILE")
    rows = found[:most]
    old, new = (tuple(_chosen(rows, schema)) for schema in schemas)
    _refuse_lacking(rows, model, schemas)
    source = f"the newest requests of the last {since.words}" if more else f"requests of the last {since.words}"
    return RowsToAsk(source, len(rows), old, new, counted="from 0, the newest request first")


def drawn(items: Iterable[T], most: int) -> tuple[list[T], int]:
    """At most so many, each with the same chance, in their order, the same ones for the same data; and how many there are."""
    chance = random.Random(0)  # noqa: S311 - a sample, not a secret
    held: list[tuple[int, T]] = []
    place = -1
    for place, item in enumerate(items):
        if place < most:
            held.append((place, item))
        elif (slot := chance.randrange(place + 1)) < most:
            held[slot] = (place, item)
    return [item for _, item in sorted(held, key=lambda each: each[0])], place + 1


def _read(path: Path, package: Package, schema: Mapping[str, Any], report: Report) -> Iterator[Row]:
    def tabular(file: Path) -> list[str]:
        verify_package(package)
        ensure_package_environment(package, report=report)
        return tabular_rows(package, file, typed=True)

    names = tuple(column["name"] for column in schema["columns"])
    return map(_sayable, read_rows(path, schema, tabular, lambda head: refuse_unfit(path, tuple(head), names)))


def _sayable(row: Row) -> Row:
    """JSON knows no infinities and no NaN: these are gaps."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}


def _chosen(rows: Iterable[Row], schema: Mapping[str, Any]) -> Iterator[Row]:
    names = [column["name"] for column in schema["columns"]]
    return ({name: row.get(name) for name in names} for row in rows)


def _refuse_unlogged(project: Project, model: str, schemas: Schemas) -> None:
    config = project.models[model]
    guarded = {*config.private, *config.hashed}
    needed = dict.fromkeys(column["name"] for schema in schemas for column in schema["columns"] if column["name"] in guarded)
    fix = "name a file with whole rows: sandbox diff V1 V2 --data FILE"
    if not project.log.inputs:
        raise NothingLogged(f"rows of {model} are not logged", why="[log] inputs is false in sandbox.toml.", fix=fix)
    if needed:
        listed = ", ".join(needed)
        raise NothingLogged(
            f"logged rows of {model} cannot be asked again",
            why=f"Columns that are private or hashed are not in the log: {listed}.",
            fix=fix,
            details={"columns": list(needed)},
        )


def _refuse_lacking(rows: Iterable[Row], model: str, schemas: Schemas) -> None:
    """A column that no logged row has is one that its version takes and the others did not."""
    seen = {name for row in rows for name in row}
    lacking = dict.fromkeys(column["name"] for schema in schemas for column in schema["columns"] if column["name"] not in seen)
    if lacking:
        raise InputUnfit(
            f"logged rows of {model} lack columns that one of the versions takes",
            why=f"Missing: {', '.join(lacking)}.",
            fix="name a file that has them: sandbox diff V1 V2 --data FILE",
            details={"missing": list(lacking)},
        )
