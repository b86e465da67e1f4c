"""What is kept while alibi cannot save what it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.drift import Settings as Monitored
from mlsandbox_serving.drift import save_profile
from mlsandbox_serving.drift_alibi import Settings, Worker, save_reference
from mlsandbox_serving.drift_sidecar import watches as module
from mlsandbox_serving.drift_sidecar.second import SecondOpinion
from mlsandbox_serving.drift_sidecar.settings import Settings as ServiceSettings
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.watches import Watches
from mlsandbox_serving.forwarded import Listening
from support.drift_service import events, record, reference

CHURN = Source("churn", "v1")


class Place:
    """A folder in which watches are opened again and again, with an alibi that is never started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        save_profile(reference().profile, folder / "given")
        save_reference(reference(), folder / "given")

    def open(self) -> tuple[Watches, SecondOpinion]:
        profiles = {CHURN: self.folder / "given"}
        known = ServiceSettings(
            self.folder / "state", Listening("", 0, 0, ""), profiles, ("native", "alibi"), Monitored(), 10.0, 10_000, 1e6
        )
        second = SecondOpinion(known.folder, Settings(window_rows=100), failed=lambda *_: None, worker=Worker())
        return Watches(known, failed=lambda *_: None, second=second), second

    def obstruct(self) -> Path:
        """Put a file where alibi's folder would be."""
        path = self.folder / "state" / "alibi"
        path.write_text("no folder", encoding="utf-8")
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _take(watches: Watches, name: str) -> None:
    dice = np.random.default_rng(1)
    watches.take(events(record(dice, f"{name}-{number}", 100) for number in range(4)))


def _rows(second: SecondOpinion, watches: Watches) -> tuple[int, int]:
    known = second.verdict(CHURN)
    assert known is not None
    return known.rows, watches.look_at(CHURN).verdict.rows


def test_rows_that_alibi_cannot_save_stay_in_the_journal(place: Place) -> None:
    """Killed after a save of which alibi's part failed, both must have all rows."""
    watches, _ = place.open()
    obstacle = place.obstruct()
    _take(watches, "a")
    watches.save()  # and killed
    obstacle.unlink()

    again, second = place.open()
    assert _rows(second, again) == (400, 400)
    again.close()


def test_the_journal_is_bounded_all_the_same(place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Past the bound the native engine is saved alone, which is told; alibi goes on with what it has in memory."""
    monkeypatch.setattr(module, "_MOST_JOURNAL_BYTES", 1)
    watches, _ = place.open()
    obstacle = place.obstruct()
    _take(watches, "a")
    watches.save()
    assert list(watches._state.journal(CHURN)) == []
    assert "it loses them if the service ends now" in caplog.text
    obstacle.unlink()
    watches.close()

    again, second = place.open()
    assert _rows(second, again) == (400, 400)
    again.close()


def test_the_bound_holds_over_restarts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is killed again and again while alibi cannot save must not make its journal longer each time."""
    watches, _ = place.open()
    obstacle = place.obstruct()
    _take(watches, "a")
    monkeypatch.setattr(module, "_MOST_JOURNAL_BYTES", watches._state.unsaved_bytes + 1)
    watches.save()
    assert len(list(watches._state.journal(CHURN))) == 4  # and killed

    again, _ = place.open()
    _take(again, "b")
    again.save()
    assert list(again._state.journal(CHURN)) == []
    obstacle.unlink()
    again.close()
