"""Everything that is known of two versions once both were asked about the same rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from mlsandbox.comparing.answers import Answer, Tolerance, Verdict, verdict
from mlsandbox.comparing.certainty import Interval, wilson
from mlsandbox.comparing.columns import Row, coded_columns
from mlsandbox.comparing.segments import Segment, find_segments
from mlsandbox.comparing.shift import Shift, quantile, shift_of

EXAMPLES: Final = 5
_REASONS: Final = 5
_ONLY: Final = (Verdict.ONLY_OLD, Verdict.ONLY_NEW)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions.

    Args:
        version: "v1".
        digest: of its package.
        schema: schema.json.
        hidden: columns that were private or hashed when it was packaged.
    """

    version: str
    digest: str
    schema: Mapping[str, Any]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that the model itself took.

    Args:
        singles: of rows that were asked about one by one.
        batches: of a row, in each of the batches.
    """

    singles: tuple[float, ...] = ()
    batches: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "asked_one_by_one": len(self.singles),
            "row_p50": quantile_of(self.singles, 0.5),
            "row_p95": quantile_of(self.singles, 0.95),
            "batches": len(self.batches),
            "row_in_batch_p50": quantile_of(self.batches, 0.5),
            "row_in_batch_p95": quantile_of(self.batches, 0.95),
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were refused.

    Args:
        code: of the error.
        message: of the first such row.
        rows: how many there are.
        first: the number of the first of them.
    """

    code: str
    message: str
    rows: int
    first: int


@dataclass(frozen=True, slots=True)
class Example:
    """A row on which the versions differ: its number, and the values of its columns that may be told."""

    row: int
    values: Mapping[str, Any]
    old: Mapping[str, Any]
    new: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it.

    Args:
        model: its name.
        old: the first version.
        new: the second.
        source: where the rows are from, in words.
        counted: how rows are numbered, in words.
        rows: that at least one of the two answered.
        distinct: how many of these there are when rows that are alike in all columns count once.
        neither: further rows, that both refused.
        total: rows that there are; more than were asked about when those are a sample.
        differing: of `rows`: another answer, or an answer of one alone.
        verdicts: how many rows each has.
        segments: where they differ.
        columns: how many columns were searched.
        left_out: columns that were not, as their values may not be told.
        shift: of the answers that both gave.
        old_timing: of the first.
        new_timing: of the second.
        new_errors: why the second refuses rows that the first answers.
        gone_errors: why the first refused rows that the second answers.
        both_errors: why the first refused rows that both refuse.
        schema_changes: what of the schema differs, in words.
        examples: some rows that differ.
    """

    model: str
    old: Side
    new: Side
    source: str
    counted: str
    rows: int
    distinct: int
    neither: int
    total: int
    differing: int
    verdicts: Mapping[Verdict, int]
    segments: tuple[Segment, ...]
    columns: int
    left_out: tuple[str, ...]
    shift: Shift
    old_timing: Timing
    new_timing: Timing
    new_errors: tuple[Reason, ...]
    gone_errors: tuple[Reason, ...]
    both_errors: tuple[Reason, ...]
    schema_changes: tuple[str, ...]
    examples: tuple[Example, ...]
    limit: float | None = None
    """A share of differing rows that is too much."""

    @property
    def rate(self) -> float:
        return self.differing / self.rows if self.rows else 0.0

    @property
    def interval(self) -> Interval:
        return wilson(self.differing, self.rows)

    @property
    def over(self) -> bool:
        """Whether they differ more often than was allowed."""
        return self.limit is not None and self.rate > self.limit

    @property
    def slower(self) -> float | None:
        """How many times as long the second takes for a row, at its 95th percentile; None when that is not known."""
        old, new = quantile_of(self.old_timing.singles, 0.95), quantile_of(self.new_timing.singles, 0.95)
        return new / old if old and new is not None else None

    def to_json(self) -> dict[str, Any]:
        """The document for scripts; its names stay."""
        return {
            "model": self.model,
            "old": {"version": self.old.version, "digest": self.old.digest},
            "new": {"version": self.new.version, "digest": self.new.digest},
            "source": self.source,
            "rows": self.rows,
            "rows_distinct": self.distinct,
            "rows_refused_by_both": self.neither,
            "rows_there": self.total,
            "disagreement": {
                "rows": self.differing,
                "rate": self.rate,
                "rate_interval": list(self.interval),
                "other_answer": self.verdicts[Verdict.OTHER],
                "only_old_answers": self.verdicts[Verdict.ONLY_OLD],
                "only_new_answers": self.verdicts[Verdict.ONLY_NEW],
                "limit": self.limit,
                "over": self.over,
            },
            "segments": [each.to_json() for each in self.segments],
            "columns_searched": self.columns,
            "columns_left_out": list(self.left_out),
            "shift": self.shift.to_json(),
            "latency_seconds": {"old": self.old_timing.to_json(), "new": self.new_timing.to_json(), "row_p95_ratio": self.slower},
            "new_errors": [asdict(each) for each in self.new_errors],
            "gone_errors": [asdict(each) for each in self.gone_errors],
            "errors_of_both": [asdict(each) for each in self.both_errors],
            "schema_changes": list(self.schema_changes),
            "examples": [asdict(each) for each in self.examples],
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, and what both said to it.

    Args:
        source: where the rows are from, in words.
        total: rows that there are.
        rows: that were asked about, as the first version takes them.
        old: its answers.
        new: those of the second.
        tolerance: for numbers.
        old_timing: of the first.
        new_timing: of the second.
        new_rows: the rows as the second version takes them; empty: as the first does.
        numbers: of the rows where they are from; None: the first, the second, …
        counted: how rows are numbered, in words.
    """

    source: str
    total: int
    rows: Sequence[Row]
    old: Sequence[Answer]
    new: Sequence[Answer]
    tolerance: Tolerance | None
    old_timing: Timing
    new_timing: Timing
    new_rows: Sequence[Row] = ()
    numbers: Sequence[int] | None = None
    counted: str = "from 0"

    def number(self, place: int) -> int:
        """Of a row, where it is from."""
        return place if self.numbers is None else self.numbers[place]


def compare(model: str, old: Side, new: Side, asked: Asked, *, hidden: Collection[str] = ()) -> Comparison:
    """Compare the answers.

    Args:
        model: its name.
        old: the first version.
        new: the second.
        asked: what was asked and answered.
        hidden: columns whose values may not be told.
    """
    guarded = {*hidden, *old.hidden, *new.hidden}
    found = [verdict(one, other, asked.tolerance) for one, other in zip(asked.old, asked.new, strict=True)]
    verdicts = Counter(found)
    counted = [place for place, each in enumerate(found) if each is not Verdict.NEITHER]
    differs = [found[place] is not Verdict.SAME for place in counted]
    columns = list(coded_columns([asked.rows[place] for place in counted], old.schema, guarded))
    both = [place for place in counted if found[place] not in _ONLY]
    names = [each["name"] for each in old.schema["columns"]]
    return Comparison(
        model=model,
        old=old,
        new=new,
        source=asked.source,
        counted=asked.counted,
        rows=len(counted),
        distinct=_distinct(asked, counted),
        neither=verdicts[Verdict.NEITHER],
        total=asked.total,
        differing=sum(differs),
        verdicts=verdicts,
        segments=find_segments(columns, differs),
        columns=len(columns),
        left_out=tuple(name for name in names if name in guarded),
        shift=shift_of([asked.old[place] for place in both], [asked.new[place] for place in both], old.schema, new.schema),
        old_timing=asked.old_timing,
        new_timing=asked.new_timing,
        new_errors=_reasons(asked, asked.new, [place for place in counted if found[place] is Verdict.ONLY_OLD]),
        gone_errors=_reasons(asked, asked.old, [place for place in counted if found[place] is Verdict.ONLY_NEW]),
        both_errors=_reasons(asked, asked.old, [place for place, each in enumerate(found) if each is Verdict.NEITHER]),
        schema_changes=schema_changes(old.schema, new.schema),
        examples=_examples(asked, [place for place, differ in zip(counted, differs, strict=True) if differ], guarded, old, new),
    )


def with_limit(comparison: Comparison, limit: float | None) -> Comparison:
    """The same, held to a limit."""
    return replace(comparison, limit=limit)


def schema_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """What a client would notice, in words."""
    before, after = ({each["name"]: each for each in side["columns"]} for side in (old, new))
    found = [f"column {name} is gone" for name in before if name not in after]
    found += [f"column {name} is new" for name in after if name not in before]
    for name, column in before.items():
        if name in after:
            keys = dict.fromkeys([*column, *after[name]])
            found += [_changed(name, key, column.get(key), after[name].get(key)) for key in keys if column.get(key) != after[name].get(key)]
    keys = dict.fromkeys([*old["output"], *new["output"]])
    found += [f"the answer's {key} changed" for key in keys if old["output"].get(key) != new["output"].get(key)]
    return tuple(found)


def quantile_of(values: Iterable[float], share: float) -> float | None:
    """None of nothing."""
    ordered = sorted(values)
    return quantile(ordered, share) if ordered else None


def _changed(name: str, key: str, old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        return f"column {name}: {key} changed, {sum(each not in old for each in new)} new and {sum(each not in new for each in old)} gone"
    return f"column {name}: {key} {_word(old)} became {_word(new)}"


def _word(value: Any) -> str:
    return "(none)" if value is None else f"{value}"[:60]


def _distinct(asked: Asked, places: Iterable[int]) -> int:
    """How many rows differ in some column, whichever of the versions takes it."""
    sides = (asked.rows, asked.new_rows) if asked.new_rows and asked.new_rows != asked.rows else (asked.rows,)
    return len({json.dumps([side[place] for side in sides], sort_keys=True) for place in places})


def _reasons(asked: Asked, answers: Sequence[Answer], refused: Iterable[int]) -> tuple[Reason, ...]:
    found: dict[tuple[str, str], list[int]] = {}
    for place in refused:
        found.setdefault((answers[place].code, answers[place].message), []).append(place)
    ordered = sorted(found.items(), key=lambda each: -len(each[1]))
    return tuple(Reason(code, message, len(places), asked.number(places[0])) for (code, message), places in ordered[:_REASONS])


def _examples(asked: Asked, places: Sequence[int], guarded: Collection[str], old: Side, new: Side) -> tuple[Example, ...]:
    """Rows from all over, not the first ones alone."""
    step = max(len(places) // EXAMPLES, 1)
    return tuple(
        Example(
            row=asked.number(place),
            values={name: value for name, value in asked.rows[place].items() if name not in guarded},
            old=_answer(asked.old[place], old.schema),
            new=_answer(asked.new[place], new.schema),
        )
        for place in places[::step][:EXAMPLES]
    )


def _answer(answer: Answer, schema: Mapping[str, Any]) -> dict[str, Any]:
    if answer.refused:
        return {"error": answer.code, "message": answer.message}
    said: dict[str, Any] = {"prediction": answer.prediction}
    classes = schema["output"].get("classes")
    if answer.probabilities is not None and answer.prediction in (classes or ()):
        said["probability"] = answer.probabilities[list(classes or ()).index(answer.prediction)]
    return said
