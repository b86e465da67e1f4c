"""Profiles as files; the format is described in the package's docstring."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift.cells import CategoryCells, CategoryKind, Cells, NumberCells
from mlsandbox_serving.drift.profile.arrays import MOST_BYTES, Arrays, read_arrays
from mlsandbox_serving.drift.profile.definition import Profile, SelfCheck
from mlsandbox_serving.drift.profile.dependence import LONGEST_STRIDE
from mlsandbox_serving.drift.streams import PAIR_CELLS, Kind, Pair, Stream

FORMAT: Final = "mlsandbox drift profile"
VERSION: Final = 2
"""1 had no cells below and above few numbers; it is read as it is."""
_AGAIN: Final = "build it again from the reference data"
_TYPES: Final = {"counts": "<i8", "edges": "<f8", "rest": "<u8", "pair_counts": "<i8"}
"""The arrays, and what they hold."""
_MOST_ROWS: Final = 2**53
_KINDS: Final = (Kind.FEATURES, Kind.PREDICTION, Kind.PERFORMANCE)
"""Of streams; there is no stream of outliers."""


class ProfileUnreadable(ValueError):
    """A saved profile is not there, damaged, or of a later version; the text says which, and what to do."""


def save_profile(profile: Profile, folder: Path) -> None:
    """Write a profile into a folder, which is made if need be; a profile that is there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    document, arrays = encode(profile)
    with _beside(folder / ProfileFile.ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy before 2.1 has no other keyword, and no array has its name
    _beside(folder / ProfileFile.DOCUMENT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for name in (ProfileFile.ARRAYS, ProfileFile.DOCUMENT):
        _beside(folder / name).replace(folder / name)


def load_profile(folder: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileUnreadable: says why, and what to do.
    """
    try:
        _expect((folder / ProfileFile.DOCUMENT).stat().st_size <= MOST_BYTES, f"{ProfileFile.DOCUMENT} is larger than {MOST_BYTES:,} bytes")
        document = json.loads((folder / ProfileFile.DOCUMENT).read_text(encoding="utf-8"))
        _check_version(document, folder)
        return decode(document, read_arrays(folder / ProfileFile.ARRAYS, _TYPES))
    except FileNotFoundError as error:
        raise ProfileUnreadable(f"there is no drift profile in {folder} ({error.filename} is missing): {_AGAIN}") from error
    except ProfileUnreadable:
        raise
    except Exception as error:  # a damaged archive raises almost anything
        raise ProfileUnreadable(f"the drift profile in {folder} is damaged ({type(error).__name__}: {error}): {_AGAIN}") from error


def _check_version(document: Any, folder: Path) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ProfileUnreadable(f"{folder / ProfileFile.DOCUMENT} is not a drift profile: {_AGAIN}")
    version = document.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ProfileUnreadable(
            f"the drift profile in {folder} has format version {version!r}, and this program reads up to {VERSION}: "
            f"run the version that wrote it or a later one, or {_AGAIN}"
        )


def encode(profile: Profile) -> tuple[dict[str, Any], Arrays]:
    """A profile as a JSON document and arrays."""
    numbers = [stream.cells.edges for stream in profile.streams if isinstance(stream.cells, NumberCells)]
    categories = [stream.cells.rest for stream in profile.streams if isinstance(stream.cells, CategoryCells)]
    arrays: Arrays = {
        "counts": np.concatenate([np.empty(0, np.int64), *[stream.counts for stream in profile.streams]]).astype("<i8"),
        "edges": np.concatenate([np.empty(0), *numbers]).astype("<f8"),
        "rest": np.concatenate([np.empty(0, np.uint64), *categories]).astype("<u8"),
        "pair_counts": np.array([pair.counts for pair in profile.pairs], dtype="<i8").reshape(-1, PAIR_CELLS),
    }
    document = {
        "format": FORMAT,
        "version": VERSION,
        "rows": profile.rows,
        "source": profile.source,
        "self_check": {
            "rows": profile.self_check.rows,
            "unsteady": {kind.value: list(names) for kind, names in profile.self_check.unsteady.items()},
        },
        "left_out": dict(profile.left_out),
        "streams": [_stream_document(stream) for stream in profile.streams],
        "pairs": [
            {"first": pair.first, "second": pair.second, "association": pair.association, "numeric": pair.numeric} for pair in profile.pairs
        ],
    }
    return document, arrays


def decode(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Profile:
    """The profile of what `encode` gave.

    Raises:
        ValueError: the parts do not fit each other, or make no sense.
        Exception: one is missing, or of another type; the text says which.
    """
    take = _Taker(arrays)
    streams = tuple(_stream(entry, take) for entry in document["streams"])
    take.finished()
    _unique([f"{stream.kind} {stream.name}" for stream in streams], "streams")
    rows, check = int(document["rows"]), document["self_check"]
    _expect(0 < rows <= _MOST_ROWS, f"{rows} rows")
    left_out = dict(document["left_out"])
    return Profile(
        rows=rows,
        streams=streams,
        pairs=tuple(_pairs(document["pairs"], take.pairs(), len(streams))),
        self_check=SelfCheck(int(check["rows"]), {Kind(kind): _texts(names) for kind, names in check["unsteady"].items()}),
        left_out=dict(zip(_unique(list(left_out), "left_out"), map(_text, left_out.values()), strict=True)),
        source="live" if document["source"] == "live" else "given",
    )


def _stream(entry: Mapping[str, Any], take: _Taker) -> Stream:
    cells = _cells(entry["cells"], take)
    counts = take.next("counts", cells.size)
    singletons, sd, stride = int(entry["singletons"]), float(entry["sd"]), int(entry["stride"])
    name, kind = _text(entry["name"]), Kind(entry["kind"])
    _expect(kind in _KINDS, f"{name!r} is of kind {kind}")
    _expect(bool((counts >= 0).all()) and 0 < sum(counts.tolist()) <= _MOST_ROWS, f"counts of {name!r}")
    _expect(0 <= singletons <= _MOST_ROWS and 0 <= sd < math.inf and 1 <= stride <= LONGEST_STRIDE, f"numbers of {name!r}")
    cells.names()  # raises when a border or category cannot be shown, as a date before the first year
    return Stream(name, kind, cells, counts, singletons, sd, stride)


def _pairs(entries: list[Mapping[str, Any]], counts: NDArray[Any], streams: int) -> Iterable[Pair]:
    for entry, held in zip(entries, counts, strict=True):
        first, second, association = int(entry["first"]), int(entry["second"]), float(entry["association"])
        _expect(0 <= first < streams and 0 <= second < streams, "a pair of columns that are not there")
        _expect(bool((held >= 0).all()) and sum(held.tolist()) <= _MOST_ROWS, "counts of a pair")
        _expect(0 <= association < math.inf, "the association of a pair")
        yield Pair(first, second, held, association, bool(entry["numeric"]))


class _Taker:
    """Takes the arrays apart again, one stream after the other."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = {name: arrays[name] for name in _TYPES}
        for name, array in self._arrays.items():
            _expect(array.dtype == np.dtype(_TYPES[name]) and array.ndim == (2 if name == "pair_counts" else 1), f"the type of {name}")
        self._pairs = self._arrays.pop("pair_counts")
        _expect(self._pairs.shape[1] == PAIR_CELLS, "the shape of pair_counts")
        self._taken = dict.fromkeys(self._arrays, 0)

    def pairs(self) -> NDArray[Any]:
        return self._pairs

    def next(self, name: str, size: int) -> NDArray[Any]:
        start = self._taken[name]
        part = self._arrays[name][start : start + size]
        if len(part) != size:
            raise ValueError(f"{name} is too short")
        self._taken[name] = start + size
        return part

    def finished(self) -> None:
        for name, taken in self._taken.items():
            if taken != len(self._arrays[name]):
                raise ValueError(f"{name} is too long")


def _stream_document(stream: Stream) -> dict[str, Any]:
    cells = stream.cells
    described: dict[str, Any]
    if isinstance(cells, NumberCells):
        described = {"type": "number", "minimum": cells.minimum, "maximum": cells.maximum, "dates": cells.dates, "edges": len(cells.edges)}
    else:
        described = {"type": "category", "of": cells.of, "top": list(cells.top), "rest": len(cells.rest), "ranged": cells.ranged}
    plain = {"name": stream.name, "kind": stream.kind.value, "singletons": stream.singletons, "sd": stream.sd, "stride": stream.stride}
    return plain | {"cells": described}


def _cells(entry: Mapping[str, Any], take: _Taker) -> Cells:
    if entry["type"] == "number":
        edges, minimum, maximum = take.next("edges", int(entry["edges"])), float(entry["minimum"]), float(entry["maximum"])
        _expect(bool(np.isfinite(edges).all()) and bool((edges[1:] > edges[:-1]).all()), "edges that do not ascend")
        _expect(-math.inf < minimum <= maximum < math.inf, "a minimum above the maximum")
        return NumberCells(edges, minimum, maximum, bool(entry["dates"]))
    _expect(entry["type"] == "category" and entry["of"] in get_args(CategoryKind), "cells of a type that is not known")
    return CategoryCells(
        _unique(entry["top"], "categories"), take.next("rest", int(entry["rest"])), entry["of"], bool(entry.get("ranged", False))
    )


def _text(value: Any) -> str:
    _expect(isinstance(value, str), f"{value!r:.80} is no text")
    return str(value)


def _unique(values: Any, what: str) -> tuple[str, ...]:
    texts = _texts(values)
    _expect(len(set(texts)) == len(texts), f"{what} are not different from each other")
    return texts


def _texts(values: Any) -> tuple[str, ...]:
    _expect(isinstance(values, list), f"{values!r:.80} is no list")
    return tuple(map(_text, values))


def _expect(holds: bool, wrong: str) -> None:  # noqa: FBT001 - the condition itself
    if not holds:
        raise ValueError(wrong)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
