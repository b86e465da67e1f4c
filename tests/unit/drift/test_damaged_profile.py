"""Profiles that somebody or something has changed: refused, or fit to be used."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.drift import Monitor, Profile, ProfileUnreadable, build_profile, load_profile, save_profile
from mlsandbox_serving.drift.profile.arrays import MOST_BYTES
from support.drift_rows import rows

FILES = ("profile.json", "profile.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small profile with numbers, categories, dates, predictions, labels and rarer categories."""
    dice = np.random.default_rng(1)
    table: dict[str, Any] = rows(dice, 600)
    kept: dict[str, Any] = {name: table[name] for name in list(table)[:2]}
    kept |= {
        "many": [f"n{number}" for number in dice.zipf(1.6, size=600)],
        "when": np.datetime64("2020-01-01T00:00:00", "s") + dice.integers(0, 10**8, size=600),
        "days": np.datetime64("2020-01-01T00:00:00", "s") + dice.integers(0, 5, size=600),
        "id": [f"user-{number}" for number in range(600)],
    }
    folder = tmp_path_factory.mktemp("saved")
    save_profile(build_profile(kept, predictions=table["letter"], labels=table["letter"]), folder)
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where changed files are written."""
    return tmp_path_factory.mktemp("changed")


def _use(profile: Profile) -> None:
    """All that the service does with a profile."""
    monitor = Monitor(profile)
    columns: dict[str, Any] = {name: [1.5, "a", None, [1], -1e300] for name in profile.names(profile.streams[0].kind)}
    for _ in range(3):
        monitor.update(columns, ["a", "b", None, "a", 1], None)
        monitor.feedback(["a", "b"], ["b", "b"])
    json.dumps([monitor.verdict(everything=True), monitor.histograms()], default=repr)
    Monitor.restore(profile, monitor.state())


def _written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(FILES), changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4)
)
def test_flipped_bytes_are_refused_or_do_no_harm(
    folder: Path, saved: dict[str, bytes], name: str, changes: list[tuple[float, int]]
) -> None:
    """Whatever byte is another one, loading must say so or give what can be compared with."""
    content = bytearray(saved[name])
    for place, bits in changes:
        content[int(place * len(content))] ^= bits
    try:
        profile = load_profile(_written(folder, saved | {name: bytes(content)}))
    except ProfileUnreadable:
        return
    _use(profile)


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value)


ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    51,
    10**30,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    -1e300,
    1e300,
    "",
    "text",
    "outliers",
    [],
    ["a", "a"],
    {},
]


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10_000), value=st.sampled_from(ODD))
def test_odd_values_are_refused_or_do_no_harm(folder: Path, saved: dict[str, bytes], place: int, value: Any) -> None:
    """Whatever a value of the document is, loading must say so or give what can be compared with."""
    document = json.loads(saved["profile.json"])
    places = list(_places(document))
    holder, key = places[place % len(places)]
    holder[key] = value
    try:
        text = json.dumps(document)
        profile = load_profile(_written(folder, saved | {"profile.json": text.encode()}))
    except ProfileUnreadable:
        return
    _use(profile)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(rows=0),
        lambda document: document["streams"][0].update(stride=0),
        lambda document: document["streams"][0].update(stride=51),
        lambda document: document["streams"][0].update(name=["a"]),
        lambda document: document["streams"][0].update(sd=-1.0),
        lambda document: document["streams"][0].update(kind="outliers"),
        lambda document: document["streams"][0].update(name=document["streams"][1]["name"]),
        lambda document: document["streams"][0]["cells"].update(minimum=10.0, maximum=1.0),
        lambda document: document.update(left_out={"a": 1}),
        lambda document: document["self_check"].update(unsteady={"features": [1]}),
        lambda document: document["self_check"].update(unsteady={"features": "name"}),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, saved: dict[str, bytes], change: Any) -> None:
    """A profile that can be read but not used must be told as one that is damaged."""
    document = json.loads(saved["profile.json"])
    change(document)
    with pytest.raises(ProfileUnreadable, match="is damaged"):
        load_profile(_written(folder, saved | {"profile.json": json.dumps(document).encode()}))


def test_nesting_is_refused(folder: Path, saved: dict[str, bytes]) -> None:
    """What the decoder gives up at must be an unreadable profile like any other."""
    with pytest.raises(ProfileUnreadable, match="RecursionError"):
        load_profile(_written(folder, saved | {"profile.json": b"[" * 100_000}))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"counts": np.zeros(MOST_BYTES // 8 + 1, np.int64)}, "are larger than"),
        ({"other": np.zeros(1)}, "where only"),
        ({"counts": np.array([-1, 5])}, "."),
        ({"counts": np.array([0.5])}, "."),
    ],
)
def test_other_arrays_are_refused(folder: Path, saved: dict[str, bytes], arrays: dict[str, Any], message: str) -> None:
    """A small file that becomes a large one, and arrays that nobody asked for, must not be taken in."""
    _written(folder, saved)
    np.savez_compressed(folder / "profile.npz", **arrays)
    assert (folder / "profile.npz").stat().st_size < 100_000
    with pytest.raises(ProfileUnreadable, match=f"is damaged .*{message}"):
        load_profile(folder)


def test_a_header_that_promises_more_than_there_is_is_refused(folder: Path, saved: dict[str, bytes]) -> None:
    """Memory must not be taken for what a header says."""
    _written(folder, saved)
    with zipfile.ZipFile(folder / "profile.npz", "w") as archive, archive.open("counts.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(ProfileUnreadable, match="does not have 0 bytes"):
        load_profile(folder)
