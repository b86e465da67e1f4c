"""What a version must be like to be promoted: a gate, as its file says it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from mlsandbox.errors import GateInvalid
from mlsandbox.setting_kinds import parse_seconds
from mlsandbox.toml_lines import key_lines

LEAST_ROWS: Final = 100
"""Rows that an agreement is held to be known from, unless the file says otherwise."""
_LINE: Final = re.compile(r"line (\d+)")
_TABLES: Final = ("metrics", "latency", "agreement", "errors")


@dataclass(frozen=True, slots=True)
class MetricLimit:
    """Bounds of a metric that `save` was told; what is None is no bound.

    Args:
        min: the least that it may be.
        max: the most.
        max_drop: by how much it may be lower than the champion's.
        max_rise: by how much it may be higher, for metrics of which less is better.
    """

    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    max_rise: float | None = None


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """Bounds of the model's own time for one row, at the 95th percentile.

    Args:
        p95: seconds.
        max_ratio: times as long as the champion.
    """

    p95: float | None = None
    max_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class AgreementLimit:
    """How often the version must answer as the champion does.

    Args:
        min: share of rows, from 0 to 1.
        from_logs: logged requests not older than this: "24h"; None: rows of `data`.
        data: file of rows.
        min_rows: with fewer rows it is not passed.
    """

    min: float
    from_logs: str | None = None
    data: Path | None = None
    min_rows: int = LEAST_ROWS


@dataclass(frozen=True, slots=True)
class Gate:
    """All bounds; what is None or empty is not looked at.

    Args:
        path: of the file.
        metrics: by name.
        latency: of one row.
        agreement: with the champion.
        max_new_errors: rows that the champion answers, and the version refuses.
    """

    path: Path
    metrics: Mapping[str, MetricLimit] = field(default_factory=dict)
    latency: LatencyLimit | None = None
    agreement: AgreementLimit | None = None
    max_new_errors: int | None = None


def read_gate(path: Path) -> Gate:
    """Read the file of a gate.

    Raises:
        GateInvalid: there is no such file, or something in it is no bound; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GateInvalid(f"{path} cannot be read", why=str(error), fix=f"check the path: {path}") from error
    try:
        return _Reading(path, text).gate()
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        where = f"{path.name}:{line[1]}" if line else path.name
        raise GateInvalid(f"{where} is no TOML", why=str(error), fix=f"correct that line of {path}") from error


class _Reading:
    """One reading of a file; every mistake ends it, with the line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._content = tomllib.loads(text)
        self._lines = key_lines(text)

    def gate(self) -> Gate:
        self._known(self._content, (), _TABLES)
        gate = Gate(
            path=self._path,
            metrics={name: self._metric(name, bounds) for name, bounds in self._table(("metrics",)).items()},
            latency=self._latency(),
            agreement=self._agreement(),
            max_new_errors=self._errors(),
        )
        if not gate.metrics and gate.latency is None and gate.agreement is None and gate.max_new_errors is None:
            raise GateInvalid(
                f"{self._path.name} demands nothing",
                why="A gate without bounds lets everything pass.",
                fix=f"write a bound into {self._path}, as in: [errors] max_new = 0",
            )
        return gate

    def _metric(self, name: str, bounds: Any) -> MetricLimit:
        key = ("metrics", name)
        if not isinstance(bounds, dict):
            self._fault(key, f"must be bounds as in {{min = 0.85, max_drop = 0.01}}, not {bounds!r}")
        self._known(bounds, key, ("min", "max", "max_drop", "max_rise"))
        if not bounds:
            self._fault(key, "has no bound")
        least = {"max_drop": 0.0, "max_rise": 0.0}
        return MetricLimit(**{each: self._number((*key, each), value, least=least.get(each)) for each, value in bounds.items()})

    def _latency(self) -> LatencyLimit | None:
        table = self._table(("latency",), "p95", "max_ratio")
        if not table:
            return None
        p95 = self._duration(("latency", "p95"), table["p95"]) if "p95" in table else None
        return LatencyLimit(p95, self._number(("latency", "max_ratio"), table["max_ratio"], least=0.0) if "max_ratio" in table else None)

    def _agreement(self) -> AgreementLimit | None:
        key = ("agreement",)
        table = self._table(key, "min", "from_logs", "data", "min_rows")
        if not table:
            return None
        if "min" not in table:
            self._fault(key, "lacks min, the least share of rows with the same answer")
        if ("from_logs" in table) == ("data" in table):
            self._fault(key, 'needs rows of one kind: from_logs = "24h", or data = "holdout.parquet"')
        share = self._number((*key, "min"), table["min"], least=0.0, most=1.0)
        rows = table.get("min_rows", LEAST_ROWS)
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
            self._fault((*key, "min_rows"), f"must be a number of rows from 1 on, not {rows!r}")
        if "data" in table:
            if not isinstance(table["data"], str):
                self._fault((*key, "data"), f"must be the path of a file, not {table['data']!r}")
            return AgreementLimit(share, data=self._path.parent / table["data"], min_rows=rows)
        self._duration((*key, "from_logs"), table["from_logs"])
        return AgreementLimit(share, from_logs=table["from_logs"], min_rows=rows)

    def _errors(self) -> int | None:
        table = self._table(("errors",), "max_new")
        if not table:
            return None
        most = table["max_new"]
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            self._fault(("errors", "max_new"), f"must be a number of rows, not {most!r}")
        return int(most)

    def _table(self, key: tuple[str, ...], *known: str) -> Mapping[str, Any]:
        table = self._content.get(key[0], {})
        if not isinstance(table, dict):
            self._fault(key, f"must be a table, not {table!r}")
        if known:
            self._known(table, key, known)
        if key[0] in self._content and not table:
            self._fault(key, "is empty")
        return table

    def _known(self, table: Mapping[str, Any], key: tuple[str, ...], known: tuple[str, ...]) -> None:
        for name in table:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(known)}"
                self._fault((*key, name), f"is nothing that a gate knows{hint}")

    def _number(self, key: tuple[str, ...], value: Any, *, least: float | None = None, most: float | None = None) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            self._fault(key, f"must be a number, not {value!r}")
        if (least is not None and value < least) or (most is not None and value > most):
            self._fault(key, f"must be {'from 0 to 1' if most is not None else 'at least 0'}, not {value!r}")
        return float(value)

    def _duration(self, key: tuple[str, ...], value: Any) -> float:
        if not isinstance(value, str):
            self._fault(key, f'must be a time such as "40ms", not {value!r}')
        try:
            return parse_seconds(value)
        except ValueError as problem:
            self._fault(key, str(problem))

    def _fault(self, key: tuple[str, ...], problem: str) -> NoReturn:
        """The error, at the line of the key, or of what it stands in."""
        line = next((self._lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self._lines), None)
        where = f"{self._path.name}:{line}" if line else self._path.name
        raise GateInvalid(
            f"{where}: {'.'.join(key)} {problem}", fix=f"correct it in {self._path}", details={"key": ".".join(key), "line": line}
        )
