"""The log store's file: each event once, whatever it holds, bounded, and readable without the store."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from mlsandbox_serving.contract import Dataset, Field, Finder, LogTable
from mlsandbox_serving.finding import Conditions, FindFailed
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.log_store.find import find
from mlsandbox_serving.log_store.row import Row, to_row
from mlsandbox_serving.log_store.store import EventStore

SECOND = 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    """An empty store."""
    made = EventStore(tmp_path / "log")
    yield made
    made.close()


def _row(number: int, **fields: Any) -> Row:
    record = {Field.EVENT_ID: f"id-{number}", Field.EVENT_DATASET: Dataset.PREDICTION, "n": number}
    return to_row("sandbox.churn", Event(number * SECOND, {**record, **fields}))


def _found(store: EventStore, **conditions: Any) -> list[int]:
    return [event["n"] for event in find(store.path, Conditions(**conditions)) if event is not None]


class Follower:
    """Follows a store; `new()` are the events since it was asked before."""

    def __init__(self, store: EventStore, **conditions: Any) -> None:
        self._events = find(store.path, Conditions(follow=True, **conditions))

    def new(self) -> list[int]:
        return [event["n"] for event in itertools.takewhile(lambda event: event is not None, self._events) if event is not None]


def test_an_event_is_kept_once(store: EventStore) -> None:
    """A second delivery must be recognised by the event's id."""
    assert store.add([_row(1), _row(2)]) == (2, 0)
    assert store.add([_row(2), _row(3), _row(3)]) == (1, 2)
    assert _found(store) == [1, 2, 3]


def test_an_event_without_id_is_kept_once(store: EventStore) -> None:
    """Another program's record must get an id from its content, the same each time."""
    event = Event(SECOND, {"n": 1, "message": "hello"})
    assert store.add([to_row("other", event)]) == (1, 0)
    assert store.add([to_row("other", event)]) == (0, 1)
    assert store.add([to_row("another", event)]) == (1, 0)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"\xff", msgpack.ExtType(5, b"x"), {1: "a", b"b": 2}, "\udcff", 2**64, [[[]]], {"a": (1, 2)}],
    ids=repr,
)
def test_any_record_is_kept_as_json(store: EventStore, value: object) -> None:
    """Whatever MessagePack can hold must be stored as a JSON object, in the body and where it is searched."""
    fields = {Field.REQUEST_ID: value, Field.STATUS: value, Field.LEVEL: value, "value": value}
    store.add([_row(1, **fields)])
    assert _found(store) == [1]
    (body,) = sqlite3.connect(store.path).execute(f"SELECT {LogTable.BODY} FROM {LogTable.NAME}").fetchone()  # noqa: S608 - column names of the contract
    json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_deep_records_are_cut(store: EventStore) -> None:
    """A record nested deeper than JSON writers go must be stored all the same."""
    value: list[object] = []
    for _ in range(2000):
        value = [value]
    store.add([_row(1, value=value)])
    assert _found(store) == [1]


def test_conditions_narrow_what_is_found(store: EventStore) -> None:
    """Each condition must keep the events that match it, the newest last."""
    store.add(
        [
            _row(1, **{Field.REQUEST_ID: "r1", Field.MODEL: "churn", Field.TRACE_ID: "t1"}),
            _row(2, **{Field.REQUEST_ID: "r2", Field.EVENT_DATASET: Dataset.ERROR, Field.MODEL: "churn", Field.VERSION: "v2"}),
            _row(3, **{Field.REQUEST_ID: "r1", Field.EVENT_DATASET: Dataset.FEEDBACK}),
            _row(4, **{Field.LEVEL: "WARN"}),
            _row(5, **{Field.REQUEST_ID: "r2", Field.EVENT_DATASET: Dataset.OUTLIERS}),
            _row(6, **{Field.EVENT_DATASET: Dataset.DRIFT}),
        ]
    )
    assert _found(store, drift=True) == [6]
    assert _found(store, outliers=True) == _found(store, outliers=True, request_id="r2") == [5]
    assert _found(store, drift=True, outliers=True) == []
    assert _found(store, requests=True) == [1, 2, 4]
    assert _found(store, errors=True) == [2]
    assert _found(store, request_id="r1") == [1, 3]
    assert _found(store, level="warning") == [2, 4]
    assert _found(store, level="error") == [2]
    assert _found(store, request_id="r1", requests=True) == [1]
    assert _found(store, since=3) == [3, 4, 5, 6]
    assert _found(store, model="churn") == [1, 2]
    assert _found(store, model="churn", version="v2") == [2]
    assert _found(store, limit=2) == [5, 6]
    assert _found(store, limit=0) == []
    assert _found(store, request_id="r1' OR 1 --") == []


def test_rows_bound_what_is_found(store: EventStore) -> None:
    """With a bound on rows the newest events must come first and end before they hold more, the first of them in any case."""
    store.add([_row(number, **{Field.PREDICTIONS: [1] * number}) for number in range(1, 6)])
    store.add([_row(6, **{Field.EVENT_DATASET: Dataset.ERROR})])

    assert _found(store, rows=9) == [6, 5, 4]
    assert _found(store, rows=8) == [6, 5]
    assert _found(store, rows=1) == [6, 5]
    assert _found(store, rows=1, since=6) == [6]
    assert _found(store, rows=1_000) == [6, 5, 4, 3, 2, 1]
    assert _found(store, rows=1_000, limit=2) == [6, 5]


def test_rows_are_read_as_they_are_taken(store: EventStore) -> None:
    """Events must not be held all at once: one that cannot be read must not keep those before it from coming."""
    store.add([_row(number, **{Field.PREDICTIONS: [1]}) for number in range(1, 4)])
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"UPDATE {LogTable.NAME} SET {LogTable.BODY} = 'damaged' WHERE {LogTable.ROWID} = 1")  # noqa: S608 - names of the contract

    found = find(store.path, Conditions(rows=1_000))

    assert [event["n"] for event in (next(found), next(found)) if event is not None] == [3, 2]


def test_following_goes_on_with_what_arrives(store: EventStore) -> None:
    """A follower must get what is there, then every new event in the order of its arrival, however old it is, each once."""
    store.add([_row(5), _row(6)])
    follower = Follower(store, limit=1)
    assert follower.new() == [6]
    assert follower.new() == []
    store.add([_row(3), _row(4), _row(1)])
    assert follower.new() == [3, 4, 1]
    assert follower.new() == []


def test_following_begins_with_an_empty_store(store: EventStore) -> None:
    """A follower of a store that has nothing yet must get its first event, once."""
    follower = Follower(store)
    assert follower.new() == []
    store.add([_row(1)])
    assert follower.new() == [1]
    assert follower.new() == []


def test_row_ids_are_never_used_again(store: EventStore) -> None:
    """After everything was deleted a follower must still see what comes."""
    store.add([_row(1), _row(2)])
    follower = Follower(store, limit=0)
    assert follower.new() == []
    store.delete_older(10 * SECOND)
    store.add([_row(3)])
    assert follower.new() == [3]


def test_old_events_are_deleted_in_small_batches(store: EventStore) -> None:
    """Events before a time must go, oldest first, a bounded number at once."""
    store.add([_row(number) for number in range(1, 1201)])
    assert store.delete_older(1100 * SECOND) == 500
    assert _found(store, limit=9999)[0] == 501
    assert store.delete_older(1100 * SECOND) == 500
    assert store.delete_older(1100 * SECOND) == 99
    assert store.delete_older(1100 * SECOND) == 0
    assert _found(store, limit=9999) == list(range(1100, 1201))


def test_the_file_is_bounded(store: EventStore) -> None:
    """Past its bytes the oldest events must go and the file must shrink."""
    for start in range(0, 4000, 500):
        store.add([_row(number + 1, text="x" * 1000) for number in range(start, start + 500)])
    assert store.size() > 4_000_000
    while store.shrink(1_000_000):
        pass
    kept = _found(store, limit=9999)
    assert kept == list(range(4001 - len(kept), 4001))
    assert 100 < len(kept) < 1000
    store.close()
    assert store.size() < 2_000_000


def test_files_are_the_users_alone(store: EventStore) -> None:
    """The folder must have mode 0700 and the files 0600."""
    store.add([_row(1)])
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("damage", ["no database", "header", "middle"])
def test_a_damaged_database_is_moved_aside(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file must be kept under another name, said so, and the store must work."""
    store = EventStore(tmp_path)
    store.add([_row(number, text="x" * 1000) for number in range(1, 300)])
    store.close()
    content = bytearray(store.path.read_bytes())
    if damage == "no database":
        content[:] = b"this is not a database" * 1000
    else:
        start = 0 if damage == "header" else 4096
        content[start : start + 40_000] = b"\xa5" * 40_000
    store.path.write_bytes(content)
    again = EventStore(tmp_path)
    assert again.corruptions == 1
    assert again.add([_row(1)]) == (1, 0)
    assert _found(again) == [1]
    (aside,) = tmp_path.glob("events.corrupt-*.sqlite3")
    assert aside.read_bytes() == content
    assert str(aside) in caplog.text
    again.close()


def test_damage_under_way_is_survived(store: EventStore) -> None:
    """A file that is damaged while the store runs must be moved aside at the next use, and the events be stored."""
    store.add([_row(number, text="x" * 1000) for number in range(1, 300)])
    other = sqlite3.connect(store.path)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    other.close()
    with store.path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    store.close()  # what was read before is in memory; a new connection reads the file
    store.add([_row(number) for number in range(1, 300)])
    assert store.corruptions == 1
    assert len(_found(store, limit=999)) == 299


def test_a_file_deleted_under_way_is_made_again(store: EventStore) -> None:
    """Events must not vanish into a deleted file."""
    store.add([_row(1)])
    for path in store.path.parent.iterdir():
        path.unlink()
    store.add([_row(2)])
    assert _found(store) == [2]


def test_a_full_disk_stores_nothing_and_recovers(store: EventStore) -> None:
    """A batch that does not fit must raise, leave nothing of itself, and fit once there is space."""
    store.add([_row(1)])
    connection = store._database.opened()
    connection.execute("PRAGMA max_page_count = 40").fetchall()
    batch = [_row(number, text="x" * 1000) for number in range(2, 300)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.add(batch)
    assert _found(store) == [1]
    connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert store.add(batch) == (298, 0)


def test_the_file_is_read_while_the_store_is_down(store: EventStore) -> None:
    """Events must be found after the store closed, as while it runs."""
    store.add([_row(1)])
    assert _found(store) == [1]
    store.close()
    assert _found(store) == [1]


def test_an_absent_database_is_told(tmp_path: Path) -> None:
    """Without a database the failure must say that nothing was logged yet, and where it was looked for."""
    path = tmp_path / "events.sqlite3"
    with pytest.raises(FindFailed, match=r"events\.sqlite3") as caught:
        next(find(path, Conditions()))
    assert caught.value.code == Finder.ABSENT


def test_a_damaged_database_names_the_file(tmp_path: Path) -> None:
    """A damaged database must be named with the reason."""
    path = tmp_path / "ü %20?#" / "events.sqlite3"
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(FindFailed) as caught:
        next(find(path, Conditions()))
    assert caught.value.code == Finder.UNREADABLE
    assert str(path) in str(caught.value)


def test_a_database_without_table_is_empty(tmp_path: Path) -> None:
    """A store that is starting for the first time must look empty."""
    path = tmp_path / "events.sqlite3"
    path.touch()
    assert list(find(path, Conditions())) == []
