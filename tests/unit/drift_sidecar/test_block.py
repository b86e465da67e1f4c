"""Blocks of rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.drift_sidecar.block import BLOCK_BYTES, BLOCK_ROWS, Block, Pending
from mlsandbox_serving.drift_sidecar.event import Rows
from mlsandbox_serving.drift_sidecar.settings import Source


def _rows(length: int, name: str = "a", *, inputs: bool = True) -> Rows:
    columns = {name: [length] * length} if inputs else None
    return Rows(Source("m", "v1"), b"", 0, columns, ["p"] * length, None)


@given(lengths=st.lists(st.integers(1, 130), min_size=1, max_size=30), data=st.data())
def test_blocks_follow_from_the_order_of_events_alone(lengths: list[int], data: st.DataObject) -> None:
    """Taken up again behind any block, with the events that came after it, the same blocks must follow."""
    blocks, _ = _all_blocks(list(enumerate(lengths)))
    place = data.draw(st.sampled_from([-1, *[block.last for block in blocks]]))

    again, _ = _all_blocks([(number, length) for number, length in enumerate(lengths) if number > place])

    assert again == [block for block in blocks if block.last > place]
    assert all(block.rows >= BLOCK_ROWS for block in blocks)


def _all_blocks(events: list[tuple[int, int]]) -> tuple[list[Block], Pending]:
    pending = Pending()
    return [block for place, length in events for block in pending.add(place, _rows(length))], pending


def test_large_events_make_blocks_of_fewer_rows() -> None:
    """What waits must be bounded in memory, too."""
    pending = Pending()
    large = _rows(1)._replace(body=bytes(BLOCK_BYTES // 3 + 1))
    found = [block for place in range(7) for block in pending.add(place, large)]

    assert [(block.rows, block.last) for block in found] == [(3, 2), (3, 5)]
    assert pending.rows == 1


def test_events_with_other_columns_begin_a_new_block() -> None:
    """Rows without inputs, or with other columns, must not be mixed with those that have them."""
    pending = Pending()
    found = [
        *pending.add(1, _rows(3)),
        *pending.add(2, _rows(4)),
        *pending.add(3, _rows(5, inputs=False)),
        *pending.add(4, _rows(6, "b")),
    ]

    assert [(block.rows, block.last, None if block.columns is None else list(block.columns)) for block in found] == [
        (7, 2, ["a"]),
        (5, 3, None),
    ]
    assert pending.rows == 6
    waiting = pending.unfinished()
    assert waiting is not None
    assert waiting.columns == {"b": [6] * 6}


def test_short_columns_are_filled_up() -> None:
    """A column with fewer values than there are rows must not move the values of the next event up."""
    pending = Pending()
    list(pending.add(1, Rows(Source("m", "v1"), b"", 0, {"a": [1], "b": [1, 2]}, ["p"], None)))
    list(pending.add(2, Rows(Source("m", "v1"), b"", 0, {"a": [3], "b": [3]}, ["q"], None)))

    waiting = pending.unfinished()
    assert waiting is not None
    assert waiting.columns == {"a": [1, None, 3], "b": [1, 2, 3]}
    assert waiting.predictions == ["p", None, "q"]
