"""The state on disk."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from mlsandbox_serving.drift_sidecar.event import Rows
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.state import FILE, Snapshot, StateStore

ONE, OTHER = Source("churn", "v1"), Source("churn", "v2")


def _rows(name: str, source: Source = ONE) -> Rows:
    body = msgpack.packb([5, {"a": [1, None, "x"]}, ["p"], [[0.5]]])
    return Rows(source, name.encode(), 5, {"a": [1, None, "x"]}, ["p"], [[0.5]], body)


def _places(store: StateStore, *rows: Rows) -> list[int | None]:
    return [None if each is None else each[0] for each in store.append(rows)]


def test_an_event_is_taken_once(tmp_path: Path) -> None:
    """A second delivery, in the same company or another, now or after a restart, must be recognised."""
    store = StateStore(tmp_path)
    assert _places(store, _rows("a"), _rows("b"), _rows("a")) == [1, 2, None]
    store.close()

    again = StateStore(tmp_path)
    assert _places(again, _rows("b"), _rows("c")) == [None, 3]
    assert [(place, rows) for place, rows in again.journal(ONE)] == [(1, _rows("a")), (2, _rows("b")), (3, _rows("c"))]
    again.close()


def test_what_a_saved_monitor_has_seen_leaves_the_journal(tmp_path: Path) -> None:
    """Saving must keep what is still waiting, and what belongs to others; ids stay known."""
    store = StateStore(tmp_path)
    store.append([_rows("a"), _rows("b"), _rows("c"), _rows("d", OTHER)])
    store.save([Snapshot(ONE, b"state", 2, 9)])

    assert [place for place, _ in store.journal(ONE)] == [3]
    assert [place for place, _ in store.journal(OTHER)] == [4]
    assert _places(store, _rows("a")) == [None]
    assert [(each.source, each.monitor, each.last_event) for each in store.sources()] == [
        (ONE, b"state", 9),
        (OTHER, None, 0),
    ]
    store.close()


def test_nothing_of_a_batch_that_fails_is_kept(tmp_path: Path) -> None:
    """When one event cannot be written the whole batch must be sent again, and then be new."""
    store = StateStore(tmp_path)
    with pytest.raises(TypeError):
        store.append([_rows("a"), _rows("b")._replace(body=None)])  # type: ignore[arg-type]

    assert _places(store, _rows("a")) == [1]
    store.close()


def test_old_ids_are_forgotten(tmp_path: Path) -> None:
    """As many ids as are allowed are remembered, the newest."""
    store = StateStore(tmp_path, most_ids=3)
    for name in "abcde":
        store.append([_rows(name)])

    assert [place is None for place in _places(store, *map(_rows, "edcba"))] == [True, True, True, False, False]
    store.close()


@pytest.mark.parametrize("content", [b"no database" * 1000, "of a later version"])
def test_a_file_that_cannot_be_used_is_moved_aside(tmp_path: Path, content: bytes | str) -> None:
    """Damage and other versions must be kept under another name, and counted."""
    if isinstance(content, bytes):
        (tmp_path / FILE).write_bytes(content)
    else:
        store = StateStore(tmp_path)
        with store._transaction() as connection:
            connection.execute("PRAGMA user_version = 99")
        store.close()

    store = StateStore(tmp_path)

    assert store.corruptions == 1
    assert _places(store, _rows("a")) == [1]
    assert len(list(tmp_path.glob("drift.corrupt-*.sqlite3"))) == 1
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    store.close()


def test_places_are_used_once_even_when_the_file_is_lost(tmp_path: Path) -> None:
    """A file that is gone while we run is begun anew; its places go on, so that no monitor takes a new event for a seen one."""
    store = StateStore(tmp_path)
    store.append([_rows("a"), _rows("b")])
    for path in tmp_path.glob(f"{FILE}*"):
        path.unlink()

    assert _places(store, _rows("a")) == [3]
    store.close()


def test_a_forgotten_source_leaves_nothing(tmp_path: Path) -> None:
    """Its monitor and its part of the journal must be gone."""
    store = StateStore(tmp_path)
    store.append([_rows("a"), _rows("b", OTHER)])
    store.forget(ONE)

    assert [each.source for each in store.sources()] == [OTHER]
    assert list(store.journal(ONE)) == []
    store.close()


def test_a_journal_has_an_id_as_long_as_its_places_count_on(tmp_path: Path) -> None:
    """The same after a restart and in a file begun anew while it runs, which goes on with the places; another one in a file that is new."""

    def lost() -> None:
        for path in tmp_path.glob(f"{FILE}*"):
            path.unlink()

    store = StateStore(tmp_path)
    store.append([_rows("a"), _rows("b")])
    identity = store.identity
    store.close()

    again = StateStore(tmp_path)
    lost()
    assert _places(again, _rows("c")) == [3]
    assert again.identity == identity
    again.close()

    lost()
    anew = StateStore(tmp_path)
    assert _places(anew, _rows("d")) == [1]
    assert anew.identity != identity
    anew.close()
