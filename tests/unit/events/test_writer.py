"""The spool's writing end: events on disk when `append` returns, within bounds, and no failure that reaches a request."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlsandbox_serving.spool import bounds, cursor, segment
from mlsandbox_serving.spool.entry import encode
from mlsandbox_serving.spool.writer import SpoolWriter
from support.spools import records

MEGABYTE = 1024 * 1024


def _numbers(folder: Path) -> list[int]:
    """The numbers of all events in the spool."""
    return [record["n"] for record in records(folder)]


@contextmanager
def _full_disk(free: int) -> Iterator[None]:
    """No file of this process may grow past `free` bytes: the kernel takes a part of a write, then refuses, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_event_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    """Each appended event must be readable at once, in order."""
    writer = SpoolWriter(tmp_path / "spool", max_bytes=MEGABYTE, worker="1")
    for number in range(10):
        writer.append({"n": number}, 1.0)
        assert _numbers(tmp_path / "spool") == list(range(number + 1))
    assert writer.written == 10
    assert not writer.dropped


def test_one_event_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event must reach the system in one write, so that no other thread's event gets in between."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 0}, 1.0)
    sizes: list[int] = []
    write = os.write

    def counting(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", counting)
    writer.append({"n": 1}, 1.0)
    writer.append_many([({"n": number}, 1.0) for number in range(2, 50)])
    assert len(sizes) == 2
    assert _numbers(tmp_path) == list(range(50))


def test_files_are_the_users_alone(tmp_path: Path) -> None:
    """The folder must have mode 0700 and segments 0600."""
    folder = tmp_path / "data" / "spool"
    SpoolWriter(folder, max_bytes=MEGABYTE, worker="1").append({"n": 0}, 1.0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE((folder / found.name).stat().st_mode) for found in segment.segments(folder)] == [0o600]


def test_a_new_writer_begins_a_new_segment(tmp_path: Path) -> None:
    """Nothing must be appended behind what an earlier writer left, torn or not."""
    SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1").append({"n": 0}, 1.0)
    first = segment.segments(tmp_path)
    with (tmp_path / first[0].name).open("ab") as file:
        file.write(b"\0\0\0")
    SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1").append({"n": 1}, 1.0)
    assert len(segment.segments(tmp_path)) == 2
    assert _numbers(tmp_path) == [0, 1]


def test_segments_are_bounded(tmp_path: Path) -> None:
    """A segment must not grow past its size, but for one event that is larger by itself."""
    writer = SpoolWriter(tmp_path, max_bytes=10 * MEGABYTE, worker="1", segment_bytes=1000)
    for number in range(50):
        writer.append({"n": number, "text": "x" * 100}, 1.0)
    writer.append({"n": 50, "text": "x" * 5000}, 1.0)
    writer.append_many([({"n": number, "text": "x" * 100}, 1.0) for number in range(51, 101)])
    sizes = [found.size for found in segment.segments(tmp_path)]
    assert sum(size > 1000 for size in sizes) == 1
    assert _numbers(tmp_path) == list(range(101))


def test_the_oldest_events_go_when_the_spool_is_full(tmp_path: Path) -> None:
    """Past its bound the spool must drop the oldest segments, count what they held, and keep the rest whole."""
    writer = SpoolWriter(tmp_path, max_bytes=20_000, worker="1")
    for number in range(500):
        writer.append({"n": number, "text": "x" * 100}, 1.0)
        assert sum(found.size for found in segment.segments(tmp_path)) <= 20_000
    kept = _numbers(tmp_path)
    assert kept == list(range(500 - len(kept), 500))
    assert len(kept) > 50
    assert writer.dropped == {bounds.SPOOL_FULL: 500 - len(kept)}


def test_several_writers_share_one_bound(tmp_path: Path) -> None:
    """The bound must hold for the whole folder, and no writer may drop what another is writing."""
    writers = [SpoolWriter(tmp_path, max_bytes=40_000, worker=str(name)) for name in range(3)]
    for number in range(900):
        writers[number % 3].append({"n": number, "text": "x" * 100}, 1.0)
        assert sum(found.size for found in segment.segments(tmp_path)) <= 40_000
    kept = _numbers(tmp_path)
    assert len(kept) == len(set(kept))
    assert len(kept) + sum(writer.dropped[bounds.SPOOL_FULL] for writer in writers) == 900


def test_delivered_events_are_not_counted_as_lost(tmp_path: Path) -> None:
    """What every sink acknowledged must not count as dropped when its segment goes."""
    writer = SpoolWriter(tmp_path, max_bytes=8000, worker="1", segment_bytes=1000)
    for number in range(7):
        writer.append({"n": number, "text": "x" * 100}, 1.0)
    first = segment.segments(tmp_path)[0]
    cursor.Cursor(tmp_path, "log-store").advance(first.name, first.size, [first.name])
    writer.close()
    assert bounds.enforce(tmp_path, max_bytes=0, max_age=None, segment_bytes=1000) == {}
    assert segment.segments(tmp_path) == []


def test_old_segments_go(tmp_path: Path) -> None:
    """A closed segment past the age must be dropped and counted, a younger one kept."""
    SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1").append({"n": 0}, 1.0)
    old = tmp_path / segment.segments(tmp_path)[0].name
    os.utime(old, (1.0, 1.0))
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1", max_age=3600)
    writer.append({"n": 1}, 1.0)
    assert _numbers(tmp_path) == [1]
    assert writer.dropped == {bounds.TOO_OLD: 1}


@pytest.mark.parametrize("free", range(2000, 2140, 7))
def test_a_full_disk_drops_whole_events_and_recovers(tmp_path: Path, free: int) -> None:
    """On a full disk events must be dropped and counted, none torn, and be taken again when there is space."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    with _full_disk(free):
        for number in range(100):
            writer.append({"n": number, "text": "x" * 100}, 1.0)
    kept = writer.written
    assert 10 <= kept < 20
    assert writer.dropped == {"disk_full": 100 - kept}
    assert _numbers(tmp_path) == list(range(kept))
    writer.append({"n": kept}, 1.0)
    assert _numbers(tmp_path) == list(range(kept + 1))


def test_a_batch_on_a_full_disk_keeps_what_fits(tmp_path: Path) -> None:
    """Of a batch the events that were written whole must be kept and the others counted."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    with _full_disk(2000):
        writer.append_many([({"n": number, "text": "x" * 100}, 1.0) for number in range(50)])
    assert _numbers(tmp_path) == list(range(writer.written))
    assert 10 <= writer.written < 20
    assert writer.dropped == {"disk_full": 50 - writer.written}


def test_a_segment_on_a_full_disk_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full before its first segment is must not keep that open for good: once it is delivered it must be deletable."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 0}, 1.0)
    (first,) = segment.segments(tmp_path)

    def refusing(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", refusing)
        for number in range(1, 6):
            writer.append({"n": number}, 1.0)
    writer.append({"n": 6}, 1.0)

    descriptor = os.open(tmp_path / first.name, os.O_RDONLY)
    assert segment.is_closed(descriptor)
    os.close(descriptor)
    assert _numbers(tmp_path) == [0, 6]
    assert len(segment.segments(tmp_path)) == 2
    assert writer.dropped == {"disk_full": 5}


def test_writable_names_the_reason_and_recovers(tmp_path: Path) -> None:
    """`writable` must say what the system says, and be None again by itself."""
    writer = SpoolWriter(tmp_path / "spool", max_bytes=MEGABYTE, worker="1")
    assert writer.writable() is None
    with _full_disk(100):
        reason = writer.writable()
    assert reason is not None
    assert str(tmp_path / "spool") in reason
    assert "No space left" in reason
    assert writer.writable() is None
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the folder's place must drop events without raising, and be named."""
    (tmp_path / "spool").write_text("in the way")
    writer = SpoolWriter(tmp_path / "spool", max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 0}, 1.0)
    assert writer.dropped == {"io_error": 1}
    assert "EEXIST" in (writer.writable() or "")
    (tmp_path / "spool").unlink()
    writer.append({"n": 1}, 1.0)
    assert _numbers(tmp_path / "spool") == [1]


def test_a_folder_removed_under_way_is_made_again(tmp_path: Path) -> None:
    """Events must not vanish into a deleted file."""
    folder = tmp_path / "spool"
    writer = SpoolWriter(folder, max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 0}, 1.0)
    shutil.rmtree(folder)
    writer.append({"n": 1}, 1.0)
    assert _numbers(folder) == [1]


def test_a_project_that_was_moved_away_does_not_come_back(tmp_path: Path) -> None:
    """When the folder around the data is gone, it must not be made anew; the reason is named and the event counted."""
    writer = SpoolWriter(tmp_path / ".sandbox" / "data" / "spool", max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 1}, 1.0)

    assert not (tmp_path / ".sandbox").exists()
    assert "ENOENT" in (writer.writable() or "")
    assert sum(writer.dropped.values()) == 1


def test_an_event_that_is_too_large_is_counted(tmp_path: Path) -> None:
    """An event past the largest record must be dropped with a reason of its own."""
    writer = SpoolWriter(tmp_path, max_bytes=10 * MEGABYTE, worker="1")
    writer.append({"n": 0, "text": "x" * segment.MAX_RECORD_BYTES}, 1.0)
    writer.append({"n": 1}, 1.0)
    assert writer.dropped == {"too_large": 1}
    assert _numbers(tmp_path) == [1]


def test_what_cannot_be_encoded_never_raises(tmp_path: Path) -> None:
    """A time outside of the protocol's must be dropped and counted."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    writer.append({"n": 0}, -1.0)
    writer.append({"n": 0}, float("nan"))
    assert writer.dropped == {"unencodable": 2}


def test_any_worker_name_makes_a_file_name(tmp_path: Path) -> None:
    """A worker's name must not lead out of the folder."""
    SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="../ä b").append({"n": 0}, 1.0)
    assert _numbers(tmp_path) == [0]


def test_encoded_events_are_taken_as_they_are(tmp_path: Path) -> None:
    """What is encoded already must be written with one write, and what could not be encoded, or is too large, be counted."""
    writer = SpoolWriter(tmp_path, max_bytes=10 * MEGABYTE, worker="1")
    payloads = [encode({"n": number}, 1.0) for number in range(3)]
    large = encode({"n": 3, "text": "x" * segment.MAX_RECORD_BYTES}, 1.0)
    assert writer.append_payloads([payloads[0], None, payloads[1], large, payloads[2], None]) == 3
    assert _numbers(tmp_path) == [0, 1, 2]
    assert writer.dropped == {"unencodable": 2, "too_large": 1}
    assert writer.append_payloads([]) == 0
    assert writer.written == 3


@pytest.mark.parametrize("free", range(2000, 2140, 28))
def test_encoded_events_on_a_full_disk(tmp_path: Path, free: int) -> None:
    """Of the events of one call those that were written whole must be kept, the others counted, and the next ones be taken again."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1")
    with _full_disk(free):
        kept = writer.append_payloads([encode({"n": number, "text": "x" * 100}, 1.0) for number in range(50)])
    assert 10 <= kept < 20
    assert writer.dropped == {"disk_full": 50 - kept}
    assert writer.append_payloads([encode({"n": kept}, 1.0)]) == 1
    assert _numbers(tmp_path) == list(range(kept + 1))


def test_encoded_events_spread_over_segments(tmp_path: Path) -> None:
    """Events of one call that fill several segments must go to several, in order."""
    writer = SpoolWriter(tmp_path, max_bytes=MEGABYTE, worker="1", segment_bytes=1000)
    assert writer.append_payloads([encode({"n": number, "text": "x" * 100}, 1.0) for number in range(50)]) == 50
    assert max(found.size for found in segment.segments(tmp_path)) <= 1000
    assert _numbers(tmp_path) == list(range(50))
