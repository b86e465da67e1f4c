"""Which logged predictions are replayed, on which package, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions import replay as action
from mlsandbox.actions.replay import Wanted, replay
from mlsandbox.actions.replay_compare import Verdict
from mlsandbox.actions.replay_plan import planned_replay
from mlsandbox.errors import NothingLogged
from mlsandbox_serving.contract import Field, Finder


def _event(number: int, version: str = "v1", *, fits: bool | None = True) -> dict[str, Any]:
    return {
        Field.REQUEST_ID: f"request-{number}",
        Field.TIMESTAMP: f"2026-03-01T10:00:{number:02d}Z",
        Field.MODEL: "churn",
        Field.VERSION: version,
        Field.DIGEST: f"sha256:{version}",
        Field.ROWS: 1,
        Field.INPUTS: {"age": [41]},
        Field.PREDICTIONS: ["no"],
        Finder.FITS: fits,
    }


def _log(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> list[dict[str, Any]]:
    """A log with these events; what it was asked."""
    asked: list[dict[str, Any]] = []

    def events(_root: Path, _wanted: object, **how: Any) -> Iterator[dict[str, Any]]:
        asked.append(how)
        return iter(found)

    monkeypatch.setattr(action, "events", events)
    return asked


def test_a_package_that_is_gone_is_named_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of versions whose packages are gone must be counted by version, none as equal; a changed one as changed all the same."""
    _log(monkeypatch, _event(1), _event(2, "v2"), _event(3, fits=False), _event(4, fits=None))

    result = replay(tmp_path, Wanted(), lambda _: None)

    assert (result.events, result.counts[Verdict.CANNOT], result.counts[Verdict.TAMPERED], result.unsealed) == (4, 3, 1, 1)
    assert [(each.version, each.counts[Verdict.CANNOT]) for each in result.packages] == [("v1", 2), ("v2", 1)]
    assert [each.verdict for each in result.others] == [Verdict.TAMPERED, Verdict.CANNOT, Verdict.CANNOT, Verdict.CANNOT]
    assert result.others[1].why == "the package v1 (digest v1) is not here: it was removed"
    assert result.is_bad


def test_a_dry_run_says_what_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that no package here can be asked about must be told by version and reason, and nothing be asked or built for them."""
    _log(monkeypatch, _event(1), _event(2, "v2"), _event(3, "v2"), _event(4, fits=False))

    plan = planned_replay(tmp_path, Wanted(), lambda _: None).plan

    assert [(each.action, each.subject) for each in plan] == [
        ("leave", "1 logged request of churn v1"),
        ("leave", "1 logged request of churn v1"),
        ("leave", "2 logged requests of churn v2"),
    ]
    assert {each.why for each in plan} == {
        "the event is not as it was written: its digest does not fit",
        "the package v1 (digest v1) is not here: it was removed",
        "the package v2 (digest v2) is not here: it was removed",
    }


def test_a_sample_is_taken_of_all_and_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample must reach past the newest, hold each event once, and depend on its seed alone."""

    def sampled(seed: int) -> list[str]:
        asked = _log(monkeypatch, *(_event(number) for number in range(50)))
        result = replay(tmp_path, Wanted(sample=10, seed=seed, limit=5), lambda _: None)
        assert asked[0]["lines"] > 1_000_000
        return [each.request_id for each in result.others]

    assert sampled(1) == sampled(1) != sampled(2)
    assert len(set(sampled(3))) == 10
    assert set().union(*(sampled(seed) for seed in range(60))) == {f"request-{number}" for number in range(50)}


def test_that_more_fits_than_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When more requests fit than the limit, the newest must be replayed, and that there are more be in the result."""
    newest_first = [_event(number) for number in range(5, 0, -1)]
    _log(monkeypatch, *newest_first)
    cut = replay(tmp_path, Wanted(limit=3), lambda _: None)
    _log(monkeypatch, *newest_first)
    whole = replay(tmp_path, Wanted(limit=5), lambda _: None)

    assert (cut.events, cut.limit) == (3, 3)
    assert {each.request_id for each in cut.others} == {"request-5", "request-4", "request-3"}
    assert (whole.events, whole.limit) == (5, None)


def test_a_log_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request that is not in the log the error must name it."""
    _log(monkeypatch)

    with pytest.raises(NothingLogged, match="request-9"):
        replay(tmp_path, Wanted(request_id="request-9"), lambda _: None)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(model="nope"), "No model nope was packaged here; there are: none."),
        (Wanted(version="v9"), "There is no v9 here; there are: none."),
        (Wanted(), "An event is there some seconds after"),
    ],
)
def test_a_name_that_nothing_has_is_why_nothing_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Wanted, why: str
) -> None:
    """When nothing fits the error must say so of a model or a version that is not there, since that is the mistake."""
    _log(monkeypatch)

    with pytest.raises(NothingLogged) as caught:
        replay(tmp_path, wanted, lambda _: None)

    assert caught.value.why.startswith(why)
