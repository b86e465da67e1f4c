"""Segments: what is written is read back, whatever happens to the file's end or middle."""

from __future__ import annotations

import os
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.spool import segment
from mlsandbox_serving.spool.entry import encode
from mlsandbox_serving.spool.reader import next_batch

payloads = st.lists(
    st.dictionaries(st.text(max_size=8), st.one_of(st.text(max_size=40), st.binary(max_size=40), st.integers(-5, 5)), max_size=4).map(
        lambda record: encode(record, 1.5)
    ),
    max_size=12,
)


def _framed(entries: list[bytes]) -> bytes:
    return b"".join(segment.frame(entry) for entry in entries)


@given(payloads)
def test_frames_come_back(entries: list[bytes]) -> None:
    """Payloads that were framed must come back in order, all bytes consumed."""
    data = _framed(entries)
    assert segment.cut(data, final=False) == segment.Frames(entries, len(data))


@given(payloads, st.data())
def test_truncation_loses_the_torn_record_alone(entries: list[bytes], data: st.DataObject) -> None:
    """A file cut anywhere must give every record before the cut, and nothing else."""
    whole = _framed(entries)
    at = data.draw(st.integers(0, len(whole)))
    ends = [len(_framed(entries[: count + 1])) for count in range(len(entries))]
    before = [entry for entry, end in zip(entries, ends, strict=True) if end <= at]
    for final in (False, True):
        found = segment.cut(whole[:at], final=final)
        assert found.payloads == before
        assert found.damaged == 0
        assert found.consumed == (at if final else len(_framed(before)))


@given(payloads, st.data())
def test_corruption_never_loses_a_record_before_it(entries: list[bytes], data: st.DataObject) -> None:
    """Whatever bytes are overwritten, every record before them must come back, and the reader must not fail."""
    whole = bytearray(_framed(entries))
    at = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=30))
    whole[at : at + len(noise)] = noise
    ends = [len(_framed(entries[: count + 1])) for count in range(len(entries))]
    before = [entry for entry, end in zip(entries, ends, strict=True) if end <= at]
    for final in (False, True):
        found = segment.cut(bytes(whole), final=final)
        assert found.payloads[: len(before)] == before
        assert 0 <= found.consumed <= len(whole)
    assert segment.cut(bytes(whole), final=True).consumed == len(whole)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_noise_is_skipped(noise: bytes, limit: int) -> None:
    """A file of noise must be read to its end without failing."""
    position = 0
    while position < len(noise):
        found = segment.cut(noise[position:], final=True, limit=limit)
        assert found.consumed > 0
        position += found.consumed


@given(payloads.filter(bool), st.integers(0, 200))
def test_zeros_behind_the_records_are_no_records(entries: list[bytes], zeros: int) -> None:
    """Zeros, as a power cut leaves them, must not be taken for empty records."""
    found = segment.cut(_framed(entries) + bytes(zeros), final=True)
    assert found.payloads == entries


def test_reading_goes_on_behind_damage() -> None:
    """Of a damaged closed file only the damaged record must be lost."""
    entries = [encode({"n": number, "text": "x" * 50}, 1.0) for number in range(5)]
    whole = bytearray(_framed(entries))
    whole[len(_framed(entries[:2])) + 30] ^= 0xFF
    found = segment.cut(bytes(whole), final=True)
    assert found.payloads == [*entries[:2], *entries[3:]]
    assert found.damaged == len(_framed(entries[2:3]))


def test_limit_bounds_a_batch_but_gives_at_least_one() -> None:
    """A limit below one record's size must still give that record."""
    entries = [encode({"text": "x" * 100}, 1.0)] * 3
    assert segment.cut(_framed(entries), final=False, limit=1).payloads == entries[:1]
    assert segment.cut(_framed(entries), final=False, limit=len(_framed(entries[:2]))).payloads == entries[:2]


@given(payloads, st.integers(1, 300))
def test_batches_cover_a_segment(tmp_path_factory: pytest.TempPathFactory, entries: list[bytes], limit: int) -> None:
    """Batches of any size must give every record once, in order, and end."""
    folder = tmp_path_factory.mktemp("spool")
    (folder / f"1{segment.SUFFIX}").write_bytes(_framed(entries))
    assert _read_all(folder, limit) == entries


@given(payloads, st.data(), st.integers(1, 300))
def test_batches_survive_a_damaged_segment(
    tmp_path_factory: pytest.TempPathFactory, entries: list[bytes], data: st.DataObject, limit: int
) -> None:
    """Batches out of a damaged closed segment must give all records before the damage and come to an end."""
    folder = tmp_path_factory.mktemp("spool")
    whole = bytearray(_framed(entries))
    at = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=30))
    whole[at : at + len(noise)] = noise
    (folder / f"1{segment.SUFFIX}").write_bytes(whole)
    before = [entry for count, entry in enumerate(entries) if len(_framed(entries[: count + 1])) <= at]
    assert _read_all(folder, limit)[: len(before)] == before


def test_a_segment_is_closed_when_its_writer_is_gone(tmp_path: Path) -> None:
    """A segment must be open while its writer holds it, and closed from then on."""
    writer = segment.create(tmp_path, f"1{segment.SUFFIX}")
    reader = os.open(tmp_path / f"1{segment.SUFFIX}", os.O_RDONLY)
    try:
        assert not segment.is_closed(reader)
        os.close(writer)
        assert segment.is_closed(reader)
    finally:
        os.close(reader)


def test_an_unfinished_record_waits_until_its_writer_is_gone(tmp_path: Path) -> None:
    """A record that is half on disk must be awaited while its writer lives, and skipped once it is dead."""
    writer = segment.create(tmp_path, f"1{segment.SUFFIX}")
    framed = segment.frame(encode({"n": 1}, 1.0))
    os.write(writer, framed[:-3])
    assert next_batch(tmp_path, lambda _: 0) is None
    os.write(writer, framed[-3:] + framed[:5])
    batch = next_batch(tmp_path, lambda _: 0)
    assert batch is not None
    assert len(batch.entries) == 1
    assert batch.end == len(framed)
    assert next_batch(tmp_path, lambda _: len(framed)) is None
    os.close(writer)
    torn = next_batch(tmp_path, lambda _: len(framed))
    assert torn == (f"1{segment.SUFFIX}", [], len(framed), len(framed) + 5, 0)


def test_a_record_larger_than_a_batch_is_read_alone(tmp_path: Path) -> None:
    """A record of several megabytes must come out of a live segment."""
    large = encode({"text": "x" * 3_000_000}, 1.0)
    small = encode({"n": 1}, 1.0)
    writer = segment.create(tmp_path, f"1{segment.SUFFIX}")
    try:
        os.write(writer, _framed([small, large, small]))
        assert _read_all(tmp_path, 1000) == [small, large, small]
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "value",
    ["\ud800 lone", 10**30, -(10**30), float("nan"), {1: 2}, {"a": {"b": (1, 2)}}, b"\xff", object(), ["deep"]],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_client_sends_is_encoded(value: object) -> None:
    """A record with any value must become an entry whose other fields are unharmed."""
    record = msgpack.unpackb(encode({"event.id": "a", "value": value}, 12.25), strict_map_key=False)[1]
    assert record["event.id"] == "a"
    assert "value" in record


def test_deep_nesting_is_cut() -> None:
    """A record nested past what MessagePack takes must be encoded, cut where it is too deep."""
    value: list[object] = []
    for _ in range(3000):
        value = [value]
    assert encode({"value": value}, 1.0)


def test_time_is_an_event_time() -> None:
    """The time must be the protocol's EventTime: extension 0, seconds and nanoseconds, big-endian."""
    found = msgpack.unpackb(encode({}, 1_700_000_000.25))[0]
    assert found == msgpack.ExtType(0, (1_700_000_000).to_bytes(4, "big") + (250_000_000).to_bytes(4, "big"))


def _read_all(folder: Path, limit: int) -> list[bytes]:
    found: list[bytes] = []
    positions = {"": 0}
    while (batch := next_batch(folder, lambda _: positions[""], limit=limit)) is not None:
        assert batch.end > positions[""]
        found += batch.entries
        positions[""] = batch.end
    return found
