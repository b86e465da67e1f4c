"""Where messages end, and what is too much of one."""

from __future__ import annotations

import gzip
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.forward.framing import MOST_VALUES, Framing, holds_too_much
from mlsandbox_serving.forward.messages import ProtocolError, decode
from mlsandbox_serving.spool.entry import encode

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=300) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=20),
    max_leaves=30,
) | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20))
BOMB = msgpack.packb([1, {"a": 0}])[:-1] + b"\xdd" + (MOST_VALUES).to_bytes(4, "big") + b"\x90" * MOST_VALUES
"""An event of a list of empty lists."""


@given(values=st.lists(_VALUES, max_size=5), size=st.integers(1, 50))
def test_messages_are_cut_where_they_end(values: list[Any], size: int) -> None:
    """However they arrive, each message must come out as it went in."""
    packed = [msgpack.packb(value) for value in values]
    stream = b"".join(packed)
    framing = Framing(10**6)

    found = [message for start in range(0, len(stream), size) for message in framing.feed(stream[start : start + size])]

    assert found == packed


@pytest.mark.parametrize(
    "sent", [b"\xc1", b"\xdd\x00\x10\x00\x01", b"\xdb\xff\xff\xff\xff", b"x" * 3 + b"\xc5\xff\xff" + b"x" * 2_000, b"\x91" * 1_100]
)
def test_what_is_too_large_is_refused_before_it_is_there(sent: bytes) -> None:
    """What a header says must be enough to refuse it."""
    with pytest.raises(ValueError, match=r"no MessagePack|a message of more than"):
        list(Framing(1_000).feed(sent))


def test_a_large_event_of_a_model_service_is_taken() -> None:
    """A thousand rows of a hundred columns, the most that is written by default, with probabilities."""
    columns = {f"column {number}": [number + row / 7 for row in range(1_000)] for number in range(100)}
    record = {"sandbox.inputs": columns, "sandbox.predictions": ["yes"] * 1_000, "sandbox.probabilities": [[0.25, 0.75]] * 1_000}
    entry = encode(record, 1.5)

    for count in (1, 5):
        message = decode(["a", gzip.compress(entry * count, 1), {"compressed": "gzip", "chunk": "c"}])
        assert (len(message.events), message.left_out) == (count, 0)
    assert message.events[0].record == record


def test_an_event_of_too_many_values_is_left_out_and_acknowledged() -> None:
    """Sent again it would be no smaller, and events behind it must not wait for it."""
    bomb = gzip.compress(BOMB)
    assert len(bomb) < 10_000
    message = decode(["a", bomb, {"compressed": "gzip", "chunk": "c"}])

    assert (message.events, message.left_out, message.chunk) == ([], 1, "c")


def test_many_events_of_too_many_values_are_refused() -> None:
    """They can be sent one by one."""
    many = gzip.compress(msgpack.packb([1, {}]) * (MOST_VALUES // 2))
    with pytest.raises(ProtocolError, match="values in one message"):
        decode(["a", many, {"compressed": "gzip"}])
    assert not holds_too_much(b"\x90" * MOST_VALUES)
