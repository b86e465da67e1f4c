"""Engines beside the native one: no row is lost or counted twice, wherever the drift service was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.drift_alibi import Beside, Reference, Settings, Status, Verdict, Worker, save_reference
from support.drift_rows import rows

SOURCE = ("wine", "v1")
SETTINGS = Settings(window_rows=100, waiting_windows=100)


def _beside(folder: Path) -> Beside:
    """One whose worker is never started."""
    return Beside(folder, SETTINGS, failed=lambda _source, _rows: None, worker=Worker())


def _play(beside: Beside, reference: Reference, first: int, last: int, rows_in: Path | None = None) -> None:
    """Hand over the blocks of a journal, thirty rows each."""
    for place in range(first, last + 1):
        columns = {name: values.tolist() for name, values in rows(np.random.default_rng(place), 30).items()}
        beside.update(SOURCE, place, reference.profile, columns, rows_in=rows_in)


def _verdict(beside: Beside) -> Verdict:
    verdict = beside.verdict(SOURCE)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("replayed_from", [1, 4, 6])
def test_a_replayed_journal_counts_no_row_twice(reference: Reference, tmp_path: Path, replayed_from: int) -> None:
    """The journal begins at the place that the drift service saved last, which is that of the engine or one before."""
    save_reference(reference, tmp_path / "profile")
    before, whole = _beside(tmp_path / "state"), _beside(tmp_path / "other")
    _play(before, reference, 1, 5, tmp_path / "profile")
    before.save()
    _play(before, reference, 6, 7, tmp_path / "profile")  # and killed

    after = _beside(tmp_path / "state")
    _play(after, reference, replayed_from, 12, tmp_path / "profile")
    _play(whole, reference, 1, 12, tmp_path / "profile")

    assert _verdict(after) == _verdict(whole)
    assert (_verdict(after).rows, _verdict(after).waiting, _verdict(after).reference_rows) == (360, 3, 3_000)


def test_without_reference_rows_live_ones_become_it(reference: Reference, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A package of before has a profile and no rows; that is said once."""
    beside = _beside(tmp_path)
    _play(beside, reference, 1, 3, tmp_path / "profile")

    assert _verdict(beside).learning == 5_000 - 90
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"wine/v1: there are no reference rows in {tmp_path / 'profile'} (rows.npz is missing)")
    assert said.endswith("alibi compares with the first live rows instead")


def test_few_reference_rows_are_none(reference: Reference, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A reference with fewer rows than a window must not be judged by: live rows become it, which is said."""
    assert reference.table is not None
    save_reference(replace(reference, table=reference.table[:99]), tmp_path / "profile")
    beside = _beside(tmp_path / "state")
    _play(beside, reference, 1, 3, tmp_path / "profile")

    assert _verdict(beside).learning == 5_000 - 90
    assert "99 reference rows are fewer than a window of 100" in caplog.text


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_damaged_reference_rows_are_told_of(reference: Reference, tmp_path: Path, place: float) -> None:
    """Wherever the file is damaged, live rows must become the reference, and the verdict say why."""
    save_reference(reference, tmp_path / "profile")
    path = tmp_path / "profile" / "rows.npz"
    content = bytearray(path.read_bytes())
    start = int(len(content) * place)
    content[start : start + 2_000] = bytes(2_000)
    path.write_bytes(content)
    beside = _beside(tmp_path / "state")
    _play(beside, reference, 1, 3, tmp_path / "profile")

    assert _verdict(beside).learning == 5_000 - 90
    assert "are damaged" in str(_verdict(beside).reference_problem)
    beside.forget(SOURCE)
    _play(beside, reference, 1, 1)
    assert _verdict(beside).reference_problem is None


def test_a_damaged_state_is_begun_anew(reference: Reference, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It must not keep the drift service from starting."""
    beside = _beside(tmp_path)
    _play(beside, reference, 1, 3)
    beside.close()
    (path,) = tmp_path.glob("*.alibi")
    path.write_bytes(path.read_bytes()[:100])

    again = _beside(tmp_path)
    _play(again, reference, 4, 4)

    assert _verdict(again).learning == 5_000 - 30
    assert "begun anew" in caplog.text


def test_what_a_kill_left_half_written_goes(reference: Reference, tmp_path: Path) -> None:
    """A temporary file of a process that is gone must not stay for ever; a state must."""
    beside = _beside(tmp_path)
    _play(beside, reference, 1, 1)
    beside.save()
    (state,) = tmp_path.iterdir()
    (tmp_path / f".{state.name}.4711").write_bytes(b"half")

    _beside(tmp_path)

    assert list(tmp_path.iterdir()) == [state]


def test_what_is_forgotten_is_gone(reference: Reference, tmp_path: Path) -> None:
    """Neither in memory nor on disk."""
    beside = _beside(tmp_path)
    _play(beside, reference, 1, 1)
    beside.save()
    beside.forget(SOURCE)

    assert list(tmp_path.iterdir()) == []
    assert (beside.verdict(SOURCE), list(beside.samples(SOURCE))) == (None, [])


def test_the_status_says_that_it_is_loading(reference: Reference, tmp_path: Path) -> None:
    """Until alibi-detect is imported, the drift service shows that it is."""
    beside = _beside(tmp_path)
    _play(beside, reference, 1, 1)

    assert beside.status() == {"name": "alibi", "on": True, "status": "loading", "reason": None}
    assert _verdict(beside).status is Status.LOADING
