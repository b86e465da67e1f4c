"""The Forward protocol as bytes: all four modes, and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.forward.messages import Event, Message, ProtocolError, decode, encode_ack, encode_packed, unpacker
from mlsandbox_serving.spool.entry import encode

SECOND = 10**9
PACKED = msgpack.packb([1, {"n": 1}]) + msgpack.packb([2, {"n": 2}])
EVENTS = [Event(SECOND, {"n": 1}), Event(2 * SECOND, {"n": 2})]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (["a.b", 1, {"n": 1}], Message("a.b", EVENTS[:1], None)),
        (["a.b", 1, {"n": 1}, {"chunk": "c"}], Message("a.b", EVENTS[:1], "c")),
        (["a.b", [[1, {"n": 1}], [2, {"n": 2}]]], Message("a.b", EVENTS, None)),
        (["a.b", [[1, {"n": 1}], [2, {"n": 2}]], {"chunk": "c", "size": 2}], Message("a.b", EVENTS, "c")),
        (["a.b", [], None], Message("a.b", [], None)),
        (["a.b", PACKED, {"chunk": "c", "compressed": "text"}], Message("a.b", EVENTS, "c")),
        (["a.b", gzip.compress(PACKED), {"compressed": "gzip"}], Message("a.b", EVENTS, None)),
        (["a.b", gzip.compress(PACKED[:9]) + gzip.compress(PACKED[9:]), {"compressed": "gzip"}], Message("a.b", EVENTS, None)),
    ],
    ids=["message", "message-chunk", "forward", "forward-chunk", "empty", "packed", "gzip", "gzip-members"],
)
def test_each_mode_is_understood(message: list[Any], expected: Message) -> None:
    """Message, Forward, PackedForward and CompressedPackedForward must give their events and their chunk id."""
    stream = unpacker()
    stream.feed(msgpack.packb(message))
    assert decode(stream.unpack()) == expected


def test_entries_packed_as_an_old_string_are_understood() -> None:
    """Entries that an old sender packs as a raw string, which is no UTF-8, must be unharmed."""
    entry = encode({"n": 1}, 1.5)
    stream = unpacker()
    stream.feed(msgpack.packb(["a", entry], use_bin_type=False))
    assert decode(stream.unpack()).events == [Event(1_500_000_000, {"n": 1})]


def test_what_is_encoded_is_decoded() -> None:
    """A PackedForward message of spool entries must come back with nanoseconds, size and chunk."""
    encoded = encode_packed("sandbox.churn", [encode({"n": 1}, 1.5), encode({"n": 2}, 2.25)], chunk="id")
    assert msgpack.unpackb(encoded)[2] == {"size": 2, "chunk": "id"}
    assert decode(msgpack.unpackb(encoded)) == Message(
        "sandbox.churn", [Event(1_500_000_000, {"n": 1}), Event(2_250_000_000, {"n": 2})], "id"
    )
    assert msgpack.unpackb(encode_ack("id")) == {"ack": "id"}


def test_time_zero_is_now() -> None:
    """An event without a time must get the present."""
    assert abs(decode(["a", 0, {}]).events[0].time - time.time_ns()) < 60 * SECOND


@pytest.mark.parametrize(
    "message",
    [
        1,
        "GET / HTTP/1.1",
        {},
        [],
        ["a"],
        ["a", 1],
        [1, 1, {}],
        ["a", 1, "record"],
        ["a", None, {}],
        ["a", True, {}],
        ["a", -1, {}],
        ["a", float("nan"), {}],
        ["a", 10**19, {}],
        ["a", msgpack.ExtType(1, bytes(8)), {}],
        ["a", msgpack.ExtType(0, bytes(4)), {}],
        ["a", [[1]]],
        ["a", [{}]],
        ["a", [[1, {}]], "option"],
        ["a", [[1, {}]], {"chunk": 1}],
        ["a", b"\xc1"],
        ["a", PACKED[:-1]],
        ["a", PACKED, {"compressed": "zstd"}],
        ["a", PACKED, {"compressed": "gzip"}],
        ["a", gzip.compress(PACKED)[:-4], {"compressed": "gzip"}],
        ["a", 1, {}, {}, {}],
    ],
    ids=repr,
)
def test_anything_else_is_refused(message: object) -> None:
    """What is not of the protocol must raise a ProtocolError that says what is wrong."""
    with pytest.raises(ProtocolError, match=r"\w"):
        decode(message)


def test_a_decompression_bomb_is_refused() -> None:
    """Compressed entries must not grow past the limit."""
    bomb = gzip.compress(msgpack.packb([1, {"text": "x" * 1_000_000}]))
    with pytest.raises(ProtocolError, match="after decompression"):
        decode(["a", bomb, {"compressed": "gzip"}], limit=100_000)
    bombs = gzip.compress(PACKED) * 100
    with pytest.raises(ProtocolError, match="after decompression"):
        decode(["a", bombs, {"compressed": "gzip"}], limit=1_000)


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=5), st.binary(max_size=5), st.floats()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(json_like)
def test_no_message_fails_in_another_way(message: object) -> None:
    """Any value must be decoded or refused with a ProtocolError."""
    with contextlib.suppress(ProtocolError):
        decode(message, limit=1000)
