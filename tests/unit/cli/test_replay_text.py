"""What people read after a replay."""

from __future__ import annotations

from collections import Counter

from mlsandbox.actions.replay import PackageReplay, ReplayResult
from mlsandbox.actions.replay_compare import Replayed, ValueDifference, Verdict
from mlsandbox.output import Paint
from mlsandbox.views.replay import replay_text


def _one(verdict: Verdict, why: str = "", *differences: ValueDifference) -> Replayed:
    return Replayed("r-1", "e", "2026-03-01T10:00:00Z", "churn", "v1", "sha256:abc", 1, 1, verdict, why, len(differences), differences)


def _text(*others: Replayed, equal: int = 0, unsealed: int = 0, sample: int | None = None, limit: int | None = None) -> list[str]:
    counted = Counter(each.verdict for each in others)
    counts = {verdict.value: counted[verdict] + (equal if verdict is Verdict.EQUAL else 0) for verdict in Verdict}
    total = sum(counts.values())
    packages = (PackageReplay("churn", "v1", "sha256:abc", counts),)
    result = ReplayResult(total, counts, total, unsealed, sample, None if sample is None else 7, limit, packages, others, 1.5)
    return replay_text(result, Paint(on=False)).splitlines()


def test_all_equal_is_said_last() -> None:
    """A replay without a difference must be two counts and one good line."""
    assert _text(equal=500) == [
        "500 logged requests (500 rows compared), 1.5 s",
        "      500 equal to the bit",
        "✓ all 500 answered as logged",
    ]


def test_a_difference_is_shown_with_its_numbers() -> None:
    """What differs must be named with request, row, values and delta, and the last line must count it."""
    difference = ValueDifference(3, "prediction", 0.5, 0.75, 0.25, {"age": 41})
    lines = _text(_one(Verdict.TAMPERED, "its digest does not fit"), _one(Verdict.DIFFERENT, "", difference), equal=2)

    assert "    row 3: prediction 0.5 logged, 0.75 now, +0.25  (age=41)" in lines
    assert "tampered r-1  churn v1  2026-03-01T10:00:00Z" in lines
    assert lines[-1] == "✗ 2 of 4 answered as logged; 1 different, 1 tampered"


def test_reasons_are_said_once() -> None:
    """Requests that cannot be replayed for one reason must be told together."""
    lines = _text(_one(Verdict.CANNOT, "the package v1 is not here"), _one(Verdict.CANNOT, "the package v1 is not here"), equal=1)

    assert "cannot, because the package v1 is not here (2 requests, such as r-1)" in lines
    assert lines[-1] == "· 1 of 3 answered as logged; 2 could not be replayed"


def test_a_sample_says_how_to_take_it_again() -> None:
    """The seed of a sample must be told, and that events without a digest prove less."""
    lines = _text(equal=3, unsealed=2, sample=3)

    assert lines[0].endswith("a sample (the same again: --sample 3 --seed 7)")
    assert any("2 of them have no digest" in line for line in lines)


def test_what_was_left_out_is_said() -> None:
    """When more requests fit than were replayed, that and how to replay more must be told."""
    assert "  the newest 3 of more; more: --limit N, or some of all: --sample N" in _text(equal=3, limit=3)
    assert not any("--limit" in line for line in _text(equal=3))
