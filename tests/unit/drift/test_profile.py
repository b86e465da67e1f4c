"""Reference profiles: what is kept, what is refused, and how one is saved."""

from __future__ import annotations

import ast
import json
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from mlsandbox_serving.drift import (
    Kind,
    Monitor,
    OutlierMask,
    Profile,
    ProfileUnreadable,
    Reason,
    build_profile,
    load_profile,
    save_profile,
)
from mlsandbox_serving.drift.cells import CategoryCells, NumberCells
from mlsandbox_serving.drift.profile.build import HASHED, PRIVATE
from mlsandbox_serving.drift.profile.store import decode, encode
from mlsandbox_serving.schema import Column, Output, Schema
from support.drift_rows import Change, rows
from support.repository import ROOT, imports, syntax

_PACKAGE = "services/mlsandbox_serving/drift/"
_LONG_AGO = np.datetime64("2020-01-01T00:00:00", "s")


def test_the_engine_needs_numpy_alone() -> None:
    """Nothing but numpy, the standard library and the model's schema may be reached from the package."""
    reached: set[str] = set()
    queue = [f"{_PACKAGE}__init__.py"]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += _imported(name)

    assert len(reached) > 20
    others = set().union(*map(imports, reached)) - set(sys.stdlib_module_names)
    assert others == {"numpy", "mlsandbox_serving"}


def _imported(name: str) -> list[str]:
    """Files of the package that one of its files imports."""
    modules = [node.module for node in ast.walk(syntax(name)) if isinstance(node, ast.ImportFrom) and node.module]
    paths = [f"services/{module.replace('.', '/')}" for module in modules if module.startswith("mlsandbox_serving.drift.")]
    return [f"{path}.py" if (ROOT / f"{path}.py").is_file() else f"{path}/__init__.py" for path in paths]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(
            [f"user-{number}" for number in range(2_000)], "an identifier or free text: 2000 of 2000 values occur once", id="texts"
        ),
        pytest.param(np.random.default_rng(1).permutation(2_000), "an identifier: 2000 different whole numbers", id="shuffled ids"),
        pytest.param(np.random.default_rng(1).choice(20_000, 2_000, replace=False), "an identifier: 2000", id="a sample of ids"),
        pytest.param(np.arange(2_000) * 10_000, "a counter", id="counter"),
        pytest.param(_LONG_AGO + np.arange(2_000), "a clock", id="clock"),
    ],
)
def test_identifiers_are_refused_with_a_reason(values: Any, reason: str) -> None:
    """A column that is new in every row must be left out, and the profile must say why."""
    profile = build_profile({"id": values, "x": np.random.default_rng(2).normal(size=2_000)})

    assert profile.names(Kind.FEATURES) == ("x",)
    assert profile.left_out["id"].startswith(reason)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.random.default_rng(1).normal(size=2_000), id="measurements"),
        pytest.param(np.sort(np.random.default_rng(1).normal(size=2_000)), id="sorted measurements"),
        pytest.param(np.random.default_rng(1).lognormal(10, 1, size=2_000).astype(int), id="incomes"),
        pytest.param(np.random.default_rng(1).integers(0, 10**12, size=2_000), id="large whole numbers"),
        pytest.param(_LONG_AGO + np.random.default_rng(1).integers(0, 10**8, size=2_000), id="dates of birth"),
    ],
)
def test_what_differs_in_every_row_by_chance_is_no_identifier(values: Any) -> None:
    """Measurements differ as well, and must be watched."""
    assert build_profile({"x": values}).names(Kind.FEATURES) == ("x",)


def test_columns_that_are_not_to_be_compared() -> None:
    """A column that another reference showed to be an identifier must be left out, whatever these rows look like."""
    profile = build_profile({"id": [1, 2] * 300, "age": [30, 40] * 300}, left_out={"id": "an identifier: 9 of 9"})

    assert profile.left_out == {"id": "an identifier: 9 of 9"}
    assert profile.names(Kind.FEATURES) == ("age",)


def test_private_and_hashed_columns_leave_no_trace() -> None:
    """Nothing of a private or hashed column may be in a profile, but that it was left out."""
    table: dict[str, Any] = rows(np.random.default_rng(3), 1_000)
    table |= {"secret": [f"s{number % 7}" for number in range(1_000)], "code": [f"{number % 9:032x}" for number in range(1_000)]}
    schema = _schema({"code": "integer", "secret": "string"})
    profile = build_profile(table, schema, private={"secret"}, hashed={"code"})

    assert not {"secret", "code"} & set(profile.names(Kind.FEATURES))
    assert profile.left_out == {"secret": PRIVATE, "code": HASHED}


def test_a_constant_column_is_watched() -> None:
    """A column of one value must be kept, and any other value be seen."""
    profile = build_profile({"one": [1.5] * 1_000, "none": [None] * 1_000})
    assert profile.left_out == {}
    monitor = Monitor(profile)
    monitor.update({"one": [1.5] * 1_000, "none": [None] * 1_000})
    assert monitor.alarms == 0
    monitor.update({"one": [2.5] * 100, "none": [None] * 100})

    found = monitor.verdict().of(Kind.OUTLIERS)
    assert found.certain
    assert found.worst[0].explanation.startswith("2.5 is above the reference maximum 1.5: ")


def test_types_come_from_the_schema() -> None:
    """Codes that look like numbers must be categories when the schema says so, and classes never have an order."""
    random = np.random.default_rng(4)
    table = {"code": random.integers(0, 90, size=1_000).astype(str).tolist(), "when": ["2024-05-31T12:00:00"] * 1_000}
    answers = random.integers(0, 50, size=1_000)
    profile = build_profile(table, _schema({"code": "string", "when": "datetime"}, "class"), predictions=answers, labels=answers)

    assert all(isinstance(stream.cells, CategoryCells) for stream in profile.streams)
    assert profile.names(Kind.PERFORMANCE) == ("label", "error")
    plain = build_profile(
        {"code": random.integers(0, 90, size=1_000)}, predictions=random.normal(size=1_000), labels=random.normal(size=1_000)
    )
    assert all(isinstance(stream.cells, NumberCells) for stream in plain.streams)
    assert plain.names(Kind.PERFORMANCE) == ("label", "loss")


def test_a_model_of_several_outputs_has_a_stream_each() -> None:
    """Each number of an answer must be watched."""
    random = np.random.default_rng(5)
    profile = build_profile({"x": random.normal(size=1_000)}, predictions=random.normal(size=(1_000, 3)))
    assert profile.names(Kind.PREDICTION) == ("prediction[0]", "prediction[1]", "prediction[2]")
    monitor = Monitor(profile)
    for _ in range(5):
        monitor.update({"x": random.normal(size=100)}, (random.normal(size=(100, 3)) + np.array([0, 0, 2])).tolist())

    assert [column.column for column in monitor.verdict().of(Kind.PREDICTION).worst] == ["prediction[2]"]


def test_a_profile_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Saved and loaded, a profile must judge the same rows in the same way, to the bit."""
    random = np.random.default_rng(6)
    table: dict[str, Any] = rows(random, 2_000)
    table |= {"many": [f"n{number}" for number in random.zipf(1.6, size=2_000)], "when": _LONG_AGO + random.integers(0, 10**8, size=2_000)}
    profile = build_profile(table, predictions=table["letter"].tolist(), scores=random.random(2_000), labels=table["letter"])
    save_profile(profile, tmp_path / "profile")
    loaded = load_profile(tmp_path / "profile")
    save_profile(loaded, tmp_path / "again")

    for name in ("profile.json", "profile.npz"):
        assert (tmp_path / "profile" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "profile").iterdir()) == ["profile.json", "profile.npz"]
    states = []
    for one in (profile, loaded):
        monitor = Monitor(one)
        monitor.update(rows(np.random.default_rng(7), 1_000, Change(shift=0.3)), ["a"] * 1_000, [0.5] * 1_000)
        states.append(monitor.state())
    assert states[0] == states[1]


def test_a_profile_holds_no_rows(tmp_path: Path, profile: Profile) -> None:
    """Of ten thousand rows only counts and borders may be kept, in a few kilobytes."""
    save_profile(profile, tmp_path)

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 40_000
    table = {"name": [f"{first}{second}" * 3 for first in string.ascii_letters for second in string.ascii_letters] * 3}
    save_profile(build_profile(table), tmp_path / "names")
    text = (tmp_path / "names" / "profile.json").read_text()
    assert sum(name in text for name in set(table["name"])) == 20


def test_a_later_version_is_refused(tmp_path: Path, profile: Profile) -> None:
    """A profile of a later version must be refused with what to do, not misread."""
    save_profile(profile, tmp_path)
    document = json.loads((tmp_path / "profile.json").read_text())
    (tmp_path / "profile.json").write_text(json.dumps(document | {"version": 3}))

    with pytest.raises(ProfileUnreadable, match=r"has format version 3, and this program reads up to 2: run the version that wrote it"):
        load_profile(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("profile.json", None, "there is no drift profile"),
        ("profile.npz", None, "there is no drift profile"),
        ("profile.json", b"{", "is damaged"),
        ("profile.json", b"[]", "is not a drift profile"),
        ("profile.json", b'{"format": "mlsandbox drift profile", "version": 1}', "is damaged"),
        ("profile.npz", b"PK", "is damaged"),
        ("profile.npz", b"", "is damaged"),
    ],
)
def test_a_damaged_profile_is_refused(tmp_path: Path, profile: Profile, name: str, content: bytes | None, message: str) -> None:
    """Whatever is wrong with the files, the error must say so and what to do."""
    save_profile(profile, tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ProfileUnreadable, match=f"{message}.*: build it again from the reference data"):
        load_profile(tmp_path)
    assert [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))] == []


def test_a_reference_without_rows_is_refused() -> None:
    """Nothing cannot be a reference."""
    with pytest.raises(ValueError, match="the reference has no rows"):
        build_profile({"x": []})


def test_a_profile_without_columns_watches_what_is_left() -> None:
    """When every column is private, the rows must still be counted."""
    monitor = Monitor(build_profile({"x": [1, 2, 3]}, private={"x"}))
    monitor.update({"y": [1, 2]})

    assert monitor.verdict().rows == 2
    assert monitor.verdict().kinds == ()
    assert Monitor.restore(monitor.profile, monitor.state()).rows == 2


def _schema(types: dict[str, Any], output: Any = "number") -> Schema:
    columns = tuple(Column(name, of, "object") for name, of in types.items())
    return Schema(input="frame", columns=columns, output=Output(output))


def test_a_profile_of_the_first_version_is_read_as_it_was() -> None:
    """Few numbers had no cells below and above them then; such a profile must load, and tell values beyond them as unseen."""
    made = build_profile({"rooms": [1, 2, 3, 4] * 500})
    document, arrays = encode(made)
    (stream,) = document["streams"]
    assert stream["cells"].pop("ranged")
    former = decode(document | {"version": 1}, {**arrays, "counts": np.delete(arrays["counts"], [5, 6])})

    assert OutlierMask(former.streams).outlying({"rooms": [2, 9]}) == {1: {"rooms": Reason.UNSEEN}}
    assert OutlierMask(made.streams).outlying({"rooms": [2, 9]}) == {1: {"rooms": Reason.OUT_OF_RANGE}}
