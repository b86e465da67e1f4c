"""Reference rows as a table of numbers, and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.drift import build_profile
from mlsandbox_serving.drift_alibi import Reference, ReferenceUnreadable, WrongColumns, build_reference, load_reference
from mlsandbox_serving.drift_alibi.reference import ROWS, Coder, save_reference
from support.drift_rows import rows


def test_values_become_numbers_and_nothing_makes_it_fail(reference: Reference) -> None:
    """What is no number is missing, what is no known category is unseen, and a column that is not there is missing in every row."""
    coder = Coder(reference.profile)
    places = {stream.name: place for place, stream in enumerate(coder.streams)}
    colours = coder.streams[places["colour"]].cells.roles

    table = coder.table(
        {
            "x0": [1.5, None, float("inf"), "text", [1], True],
            "colour": ["red", "purple", None, float("nan"), {"a": 1}],
            "extra": [1] * 6,
        }
    )

    assert table[:, places["x0"]].tolist()[::5] == [1.5, 1.0]
    assert np.isnan(table[1:5, places["x0"]]).all()
    assert table[[0, 1, 4], places["colour"]].tolist() == [0.0, colours["unseen"], colours["unseen"]]
    assert np.isnan(table[[2, 3, 5], places["colour"]]).all()
    assert np.isnan(table[:, places["x1"]]).all()
    assert coder.table({}).shape == (0, 10)


def test_what_nobody_was_told_of_is_not_missing() -> None:
    """Inputs and predictions that an event does not hold must neither count as values nor as missing ones."""
    table = rows(np.random.default_rng(1), 500)
    coder = Coder(build_reference(table, predictions=table["letter"].tolist(), scores=np.linspace(0, 1, 500)).profile)

    without_inputs = coder.table(None, ["a", None], [0.5, 0.25])
    without_answers = coder.table({"x0": [1.0]})

    assert np.isinf(without_inputs[:, :-2]).all()
    assert np.isnan(without_inputs[1, -2])
    assert without_inputs[:, -1].tolist() == [0.5, 0.25]
    assert np.isinf(without_answers[:, -2:]).all()
    assert not np.isinf(without_answers[:, :-2]).any()


def test_a_large_reference_is_sampled_the_same_way_every_time() -> None:
    """At most as many rows as wanted, in their order."""
    many = {"x": np.arange(5_000) + np.random.default_rng(2).standard_normal(5_000) / 10}
    first, second = (build_reference(many, most_rows=1_000).table for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.shape == (1_000, 1)
    assert np.array_equal(first, second)
    assert (np.diff(first[:, 0]) > -1).all()


def test_rows_survive_a_file(reference: Reference, tmp_path: Path) -> None:
    """Written and read, they must be the same; no pickle is in the file."""
    save_reference(reference, tmp_path)
    found = load_reference(tmp_path, reference.profile)

    assert reference.table is not None
    assert found.table is not None
    assert np.array_equal(found.table, reference.table, equal_nan=True)
    assert [path.name for path in tmp_path.iterdir()] == [ROWS]


def test_rows_that_cannot_be_used_are_refused(reference: Reference, tmp_path: Path) -> None:
    """Missing, damaged, or of another profile: the text must say which."""
    with pytest.raises(ReferenceUnreadable, match="there are no reference rows in"):
        load_reference(tmp_path, reference.profile)

    save_reference(reference, tmp_path)
    other = build_profile(rows(np.random.default_rng(3), 500))
    with pytest.raises(ReferenceUnreadable, match="another drift profile"):
        load_reference(tmp_path, other)

    np.savez_compressed(tmp_path / ROWS, table=np.zeros((10_000, 1_000)), profile=np.array("x"))
    with pytest.raises(ReferenceUnreadable, match="are larger than"):
        load_reference(tmp_path, reference.profile)

    (tmp_path / ROWS).write_bytes(b"PK")
    with pytest.raises(ReferenceUnreadable, match="damaged"):
        load_reference(tmp_path, reference.profile)


def test_a_table_of_other_columns_is_refused(reference: Reference) -> None:
    """Columns too many would be ignored without a word by what compares them."""
    assert reference.table is not None
    with pytest.raises(WrongColumns, match="no rows of 10 columns"):
        Reference(reference.profile, np.hstack([reference.table, reference.table[:, :1]]))
