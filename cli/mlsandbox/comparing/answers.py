"""Two answers to the same row, and whether they are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version says to a row.

    Args:
        prediction: a JSON value, or a list of them.
        probabilities: in the order of the schema's classes; None when the model has none.
        code: why the row was refused; "" when it was answered.
        message: the same in words.
    """

    prediction: Any = None
    probabilities: Sequence[float] | None = None
    code: str = ""
    message: str = ""

    @property
    def refused(self) -> bool:
        return bool(self.code)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two numbers may be apart to be the same: `atol + rtol * |the first one|`."""

    rtol: float = 1e-9
    atol: float = 1e-12

    @classmethod
    def from_json(cls, given: Mapping[str, Any] | None) -> Tolerance | None:
        """What a package says of its own answers; None: only what is equal is the same."""
        return None if given is None else cls(float(given["rtol"]), float(given["atol"]))


class Verdict(StrEnum):
    """How two answers to a row compare."""

    SAME = "same"
    OTHER = "other answer"
    ONLY_OLD = "only the first answers"
    ONLY_NEW = "only the second answers"
    NEITHER = "neither answers"


def verdict(old: Answer, new: Answer, tolerance: Tolerance | None) -> Verdict:
    """How the answers compare.

    Args:
        old: of the first version.
        new: of the second.
        tolerance: for numbers; None: only equal is the same.
    """
    if old.refused or new.refused:
        return Verdict.NEITHER if old.refused and new.refused else Verdict.ONLY_NEW if old.refused else Verdict.ONLY_OLD
    return Verdict.SAME if _same(old.prediction, new.prediction, tolerance) else Verdict.OTHER


def _same(old: Any, new: Any, tolerance: Tolerance | None) -> bool:
    if isinstance(old, list) or isinstance(new, list):
        both = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
        return both and all(_same(one, other, tolerance) for one, other in zip(old, new, strict=True))
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    if tolerance is not None and isinstance(old, int | float) and isinstance(new, int | float):
        return abs(new - old) <= tolerance.atol + tolerance.rtol * abs(old)
    return bool(old == new)


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
