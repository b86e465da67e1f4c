"""alibi beside the native engine, where there is no alibi-detect: nothing that goes wrong in it reaches the other one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, save_profile
from mlsandbox_serving.drift import Settings as Monitored
from mlsandbox_serving.drift_alibi import ROWS, Settings, Status, Worker, save_reference
from mlsandbox_serving.drift_alibi.verdict import ColumnResult, DetectorResult, Latched, Method, Outliers, Verdict, WindowResult
from mlsandbox_serving.drift_sidecar.block import Block
from mlsandbox_serving.drift_sidecar.opinion import opinion
from mlsandbox_serving.drift_sidecar.opinion_page import opinion_section
from mlsandbox_serving.drift_sidecar.second import SecondOpinion
from mlsandbox_serving.drift_sidecar.settings import Settings as ServiceSettings
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.state import FILE
from mlsandbox_serving.drift_sidecar.watches import Watches
from mlsandbox_serving.forwarded import Listening
from support.drift_service import columns, events, record, reference

CHURN = Source("churn", "v1")
SECONDS = 30.0
Make = Callable[..., SecondOpinion]


@pytest.fixture
def failed() -> Counter[Source]:
    """Rows that were told as not compared."""
    return Counter()


@pytest.fixture
def make(tmp_path: Path, failed: Counter[Source]) -> Iterator[Make]:
    """Makes one in a folder; it is not started unless a test does."""
    made: list[SecondOpinion] = []

    def told(source: Source, rows: int) -> None:
        failed[source] += rows

    def begin(load: Any = None, **settings: Any) -> SecondOpinion:
        worker = Worker() if load is None else Worker(load)
        made.append(SecondOpinion(tmp_path, Settings(window_rows=100, **settings), failed=told, worker=worker))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def _block(place: int, rows: int = 100) -> Block:
    dice = np.random.default_rng(place)
    return Block(columns(dice, rows), ["no"] * rows, None, rows, [], [], place)


def test_nothing_is_compared_before_the_native_engine_has_a_profile(make: Make) -> None:
    """While live rows become the reference there is nothing to say."""
    second = make()
    second.add(CHURN, _block(1), None, None)

    assert second.verdict(CHURN) is None
    assert list(second.samples(CHURN)) == []


def test_labels_alone_are_no_rows(make: Make) -> None:
    """A block without rows must leave no trace."""
    second = make()
    second.add(CHURN, _block(1, 0), reference().profile, None)

    assert second.verdict(CHURN) is None


def test_what_it_raises_is_counted_and_goes_no_further(make: Make, failed: Counter[Source], caplog: pytest.LogCaptureFixture) -> None:
    """Its folder may be unusable; the rows count as errors, and the reason is told once."""
    second = make()
    unusable: Any = object()
    for place in (1, 2):
        second.add(CHURN, _block(place), unusable, None)

    assert failed == {CHURN: 200}
    assert caplog.text.count("Traceback") == 1


def test_a_thread_that_a_library_wants_to_end_lives_on(make: Make, failed: Counter[Source]) -> None:
    """SystemExit while it is imported is a failure like any other."""

    def leaving() -> Any:
        raise SystemExit(1)

    second = make(leaving)
    second.add(CHURN, _block(1), reference().profile, None)
    second.open(CHURN, reference().profile, None)
    second.start()
    for place in range(2, 60):
        second.add(CHURN, _block(place), reference().profile, None)
    second.close()

    assert second.status()["status"] == "failed"
    assert "SystemExit" in str(second.status()["reason"])


def test_state_is_kept_in_a_folder_of_its_own(make: Make, tmp_path: Path) -> None:
    """Saved, found again without a new row, and gone when it is forgotten."""
    profile = reference().profile
    second = make()
    second.add(CHURN, _block(1), profile, None)
    second.save()
    again = make()
    again.open(CHURN, profile, None)

    known = again.verdict(CHURN)
    assert known is not None
    assert known.learning == 4_900
    assert [path.suffix for path in (tmp_path / "alibi").iterdir()] == [".alibi"]
    again.forget(CHURN)
    assert list((tmp_path / "alibi").iterdir()) == []
    assert ROWS == "rows.npz"


@pytest.mark.parametrize("native_alone", [0, 3])
def test_a_journal_that_was_lost_begins_both_anew(
    tmp_path: Path, failed: Counter[Source], caplog: pytest.LogCaptureFixture, native_alone: int
) -> None:
    """Its places count from one again: alibi must not take what comes then for what it has seen, also when it was off meanwhile."""
    save_profile(reference().profile, tmp_path / "given")
    save_reference(reference(), tmp_path / "given")
    dice = np.random.default_rng(1)

    known = ServiceSettings(
        tmp_path / "state", Listening("", 0, 0, ""), {CHURN: tmp_path / "given"}, ("native", "alibi"), Monitored(), 10.0, 10_000, 1e6
    )

    def opened() -> tuple[Watches, SecondOpinion]:
        second = SecondOpinion(known.folder, Settings(window_rows=100), failed=lambda *_: None, worker=Worker())
        return Watches(known, failed=lambda *_: None, second=second), second

    watches, second = opened()
    watches.take(events(record(dice, f"before-{number}", 50) for number in range(40)))
    watches.close()
    again, second = opened()
    said = second.verdict(CHURN)
    assert said is not None
    assert said.rows == 2_000
    again.close()

    (tmp_path / "state" / FILE).write_bytes(b"damaged" * 1_000)
    if native_alone:
        without = Watches(known, failed=lambda *_: None)
        without.take(events(record(dice, f"between-{number}", 50) for number in range(native_alone)))
        without.close()
    anew, second = opened()
    anew.take(events(record(dice, f"after-{number}", 50) for number in range(4)))
    said = second.verdict(CHURN)
    assert said is not None
    assert (said.rows, said.reference_rows) == (200, 6_000)
    assert "churn/v1: what alibi knew cannot be used any more (it belongs to a journal that is gone): begun anew" in caplog.text
    anew.close()
    assert not failed


def _verdict(window: WindowResult | None = None, **facts: Any) -> Verdict:
    usual = {"status": Status.READY, "problem": None, "rows": 3_000, "reference_rows": 10_000, "learning": 0, "window_rows": 1_000}
    counts = {"windows": 3, "waiting": 0, "dropped": 0, "failed": 0, "alarms": 0, "last_alarm": None, "latched": ()}
    return Verdict(**{**usual, **counts, "window": window, "problems": {}, "left_out": {}, **facts})


def _window(*, drifted: bool = False, problems: dict[str, str] | None = None) -> WindowResult:
    column = ColumnResult("age", Kind.FEATURES, Method.NUMBERS, 1_000, 1e-9 if drifted else 0.4, float("inf"), 1e-4, drifted)
    return WindowResult(3_000, (column,), (), None, problems or {}, 0.01, 1_800_000_000.0)


@pytest.mark.parametrize(
    ("verdict", "state", "words"),
    [
        (_verdict(_window()), "steady", "No drift"),
        (_verdict(_window(drifted=True)), "drift", "age"),
        (_verdict(_window(problems={"income": "its p-value is no number"})), "incomplete", "income"),
        (_verdict(_window(drifted=True, problems={"income": "?"})), "drift", "age"),
        (_verdict(_window(), latched=(Latched(Kind.FEATURES, 1_000, 2),)), "drift", "features"),
        (_verdict(), "waiting", "1,000"),
        (_verdict(status=Status.LOADING), "loading", "started"),
        (_verdict(learning=400), "learning", "400"),
        (_verdict(_window(), status=Status.FAILED, problem="no module"), "failed", "no module"),
        (_verdict(learning=400, reference_problem="the rows are damaged"), "learning", "first live rows: the rows are damaged"),
    ],
)
def test_what_is_said_in_one_word(verdict: Verdict, state: str, words: str) -> None:
    """Of a window that was not compared in full it must never be said that there is no drift."""
    said = opinion(verdict, 5)

    assert (said["state"], words in said["sentence"]) == (state, True)
    assert ("No drift" in said["sentence"]) == (state == "steady")
    assert words in opinion_section(said)


def test_numbers_without_end_are_none() -> None:
    """JSON has no infinity."""
    window = opinion(_verdict(_window()), 5)["window"]

    assert window["columns"][0]["distance"] is None
    assert window["ended"] == "2027-01-15T08:00:00Z"


def test_nothing_of_the_data_becomes_markup() -> None:
    """Names and reasons must be shown as they are, in tables with header cells and tags that are closed."""
    evil = "<script>alert('x')</script>\"&"
    column = ColumnResult(evil, Kind.FEATURES, Method.NUMBERS, 1_000, 1e-9, 0.5, 1e-4, drifted=True)
    detector = DetectorResult(evil, None, None, None, drifted=False)
    window = WindowResult(3_000, (column,), (detector,), Outliers(1_000, 0.1, 0.0, 0.1, 0.01), {evil: evil}, 0.01, 1_800_000_000.0)
    shown = opinion_section(opinion(_verdict(window, problems={evil: evil}, failed=7, dropped=9), 5))

    assert "<script" not in shown
    assert shown.count(escape(evil)) >= 6
    assert "10.0% of its rows are outliers; of the reference, 1.0%" in shown
    assert "Of 7 rows something could not be compared." in shown
    for tag in ("section", "table", "tr", "th", "td", "p", "ul", "li", "div"):
        assert len(re.findall(f"<{tag}[ >]", shown)) == shown.count(f"</{tag}>")


def test_no_section_without_the_engine() -> None:
    """A stack with the native engine alone shows nothing of another one."""
    assert opinion_section(None) == ""


def test_no_p_value_is_nothing() -> None:
    """A p-value too small for numbers must not look like an impossible 0."""
    column = ColumnResult("age", Kind.FEATURES, Method.NUMBERS, 1_000, 0.0, 0.5, 1e-4, drifted=True)
    shown = opinion_section(opinion(_verdict(WindowResult(3_000, (column,), (), None, {}, 0.01, 1_800_000_000.0)), 5))

    assert "&lt; 1e-300" in shown
