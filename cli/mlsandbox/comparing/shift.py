"""How the answers as a whole moved: shares of classes, probabilities, quantiles of numbers."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlsandbox.comparing.answers import Answer, number

MOST_CLASSES: Final = 50
"""Classes that are told; of more those whose share moved most."""
_QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class ClassShift:
    """One class; all are shares or means from 0 to 1.

    Args:
        name: of the class.
        old_share: of the rows that the first version predicts it for.
        new_share: the same of the second.
        old_mean: of its probability; None when that is not known.
        new_mean: the same of the second.
        ks: largest distance of the distributions of its probability (Kolmogorov and Smirnov).
    """

    name: Any
    old_share: float
    new_share: float
    old_mean: float | None = None
    new_mean: float | None = None
    ks: float | None = None


@dataclass(frozen=True, slots=True)
class NumberShift:
    """Predicted numbers.

    Args:
        old: quantiles of the first version, by their names: "0.05".
        new: of the second.
        old_mean: of the first.
        new_mean: of the second.
        spread: standard deviation of the first.
        ks: largest distance of the distributions.
        mean: of the absolute difference of a row.
        median: of it.
        p95: of it.
        largest: of it.
    """

    old: Mapping[str, float]
    new: Mapping[str, float]
    old_mean: float
    new_mean: float
    spread: float
    ks: float
    mean: float
    median: float
    p95: float
    largest: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Of a classifier its classes, of anything else its numbers, one for each output; of answers that are neither nothing."""

    classes: tuple[ClassShift, ...] = ()
    numbers: tuple[NumberShift, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"classes": [asdict(each) for each in self.classes], "numbers": [asdict(each) for each in self.numbers]}


def shift_of(old: Sequence[Answer], new: Sequence[Answer], old_schema: Mapping[str, Any], new_schema: Mapping[str, Any]) -> Shift:
    """What moved.

    Args:
        old: answers of the first version to rows that both answered.
        new: of the second, to the same rows.
        old_schema: schema.json of the first.
        new_schema: of the second.
    """
    if not old:
        return Shift()
    if old_schema["output"]["type"] == "class":
        return Shift(classes=_classes(old, new, old_schema["output"].get("classes"), new_schema["output"].get("classes")))
    outputs = max(len(_outputs(each)) for each in old)
    numbers = [_numbers(old, new, place) for place in range(outputs)]
    return Shift(numbers=tuple(each for each in numbers if each is not None))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of ascending numbers, between neighbours in proportion."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def distance(old: Sequence[float], new: Sequence[float]) -> float:
    """The two-sample Kolmogorov-Smirnov statistic of ascending numbers; 0 to 1."""
    if not old or not new:
        return 0.0
    return max(abs(bisect_right(old, value) / len(old) - bisect_right(new, value) / len(new)) for value in {*old, *new})


def _classes(
    old: Sequence[Answer], new: Sequence[Answer], old_classes: Sequence[Any] | None, new_classes: Sequence[Any] | None
) -> tuple[ClassShift, ...]:
    old_counts, new_counts = (Counter(_label(each.prediction) for each in side) for side in (old, new))
    old_scores, new_scores = _scores(old, old_classes), _scores(new, new_classes)
    names = list(dict.fromkeys([*(_label(each) for each in (*(old_classes or ()), *(new_classes or ()))), *old_counts, *new_counts]))
    found = []
    names.sort(key=lambda name: -abs(new_counts[name] - old_counts[name])) if len(names) > MOST_CLASSES else None
    for name in names[:MOST_CLASSES]:
        one, other = old_scores.get(name), new_scores.get(name)
        found.append(
            ClassShift(
                name=name[1],
                old_share=old_counts[name] / len(old),
                new_share=new_counts[name] / len(new),
                old_mean=statistics.fmean(one) if one else None,
                new_mean=statistics.fmean(other) if other else None,
                ks=distance(one, other) if one and other else None,
            )
        )
    return tuple(found)


def _label(value: Any) -> tuple[str, Any]:
    """A class as a key: 1 and true are two."""
    return type(value).__name__, str(value) if isinstance(value, list | dict) else value


def _scores(answers: Sequence[Answer], classes: Sequence[Any] | None) -> dict[tuple[str, Any], list[float]]:
    """Probabilities of each class, ascending; none when not all answers have them."""
    if classes is None or any(each.probabilities is None or len(each.probabilities) != len(classes) for each in answers):
        return {}
    columns = zip(*(each.probabilities or () for each in answers), strict=True)
    return {
        _label(name): sorted(value for value in column if number(value) is not None) for name, column in zip(classes, columns, strict=True)
    }


def _outputs(answer: Answer) -> list[Any]:
    return answer.prediction if isinstance(answer.prediction, list) else [answer.prediction]


def _numbers(old: Sequence[Answer], new: Sequence[Answer], place: int) -> NumberShift | None:
    pairs = []
    for one, other in zip(old, new, strict=True):
        left, right = (number(each[place]) if place < len(each) else None for each in (_outputs(one), _outputs(other)))
        if left is not None and right is not None:
            pairs.append((left, right))
    if not pairs:
        return None
    ordered_old, ordered_new = sorted(each[0] for each in pairs), sorted(each[1] for each in pairs)
    deltas = sorted(abs(right - left) for left, right in pairs)
    return NumberShift(
        old={f"{share:g}": quantile(ordered_old, share) for share in _QUANTILES},
        new={f"{share:g}": quantile(ordered_new, share) for share in _QUANTILES},
        old_mean=statistics.fmean(ordered_old),
        new_mean=statistics.fmean(ordered_new),
        spread=statistics.pstdev(ordered_old),
        ks=distance(ordered_old, ordered_new),
        mean=statistics.fmean(deltas),
        median=quantile(deltas, 0.5),
        p95=quantile(deltas, 0.95),
        largest=deltas[-1],
    )
