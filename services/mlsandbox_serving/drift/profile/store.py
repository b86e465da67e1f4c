"""Profiles as files; the format is described in the package's docstring."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift.cells import CategoryCells, Cells, NumberCells
from mlsandbox_serving.drift.profile.definition import Profile, SelfCheck
from mlsandbox_serving.drift.streams import PAIR_CELLS, Kind, Pair, Stream

FORMAT: Final = "mlsandbox drift profile"
VERSION: Final = 1
_AGAIN: Final = "build it again from the reference data"
Arrays = dict[str, NDArray[Any]]


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
        document = json.loads((folder / ProfileFile.DOCUMENT).read_text(encoding="utf-8"))
        _check_version(document, folder)
        # opened here, since numpy leaves a damaged file open
        with (folder / ProfileFile.ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return decode(document, {name: archive[name] for name in archive.files})
    except FileNotFoundError as error:
        raise ProfileUnreadable(f"there is no drift profile in {folder} ({error.filename} is missing): {_AGAIN}") from error
    except ProfileUnreadable:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
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
        ValueError: the parts do not fit each other.
        KeyError: one is missing.
        TypeError: one is of another type.
    """
    take = _Taker(arrays)
    streams = []
    for entry in document["streams"]:
        cells = _cells(entry["cells"], take)
        counts = take.next("counts", cells.size).astype(np.int64)
        singletons, sd, stride = int(entry["singletons"]), float(entry["sd"]), int(entry["stride"])
        streams.append(Stream(entry["name"], Kind(entry["kind"]), cells, counts, singletons, sd, stride))
    take.finished()
    check = document["self_check"]
    counts_of_pairs = arrays["pair_counts"].astype(np.int64)
    pairs = [
        Pair(int(entry["first"]), int(entry["second"]), counts, float(entry["association"]), bool(entry["numeric"]))
        for entry, counts in zip(document["pairs"], counts_of_pairs, strict=True)
    ]
    if any(not 0 <= position < len(streams) for pair in pairs for position in (pair.first, pair.second)):
        raise ValueError("a pair of columns that are not there")
    return Profile(
        rows=int(document["rows"]),
        streams=tuple(streams),
        pairs=tuple(pairs),
        self_check=SelfCheck(int(check["rows"]), {Kind(kind): tuple(names) for kind, names in check["unsteady"].items()}),
        left_out=dict(document["left_out"]),
        source="live" if document["source"] == "live" else "given",
    )


class _Taker:
    """Takes the arrays apart again, one stream after the other."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = {name: arrays[name] for name in ("counts", "edges", "rest")}
        self._taken = dict.fromkeys(self._arrays, 0)

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
        described = {"type": "category", "of": cells.of, "top": list(cells.top), "rest": len(cells.rest)}
    plain = {"name": stream.name, "kind": stream.kind.value, "singletons": stream.singletons, "sd": stream.sd, "stride": stream.stride}
    return plain | {"cells": described}


def _cells(entry: Mapping[str, Any], take: _Taker) -> Cells:
    if entry["type"] == "number":
        edges = take.next("edges", int(entry["edges"])).astype(np.float64)
        return NumberCells(edges, float(entry["minimum"]), float(entry["maximum"]), bool(entry["dates"]))
    if entry["type"] != "category":
        raise ValueError(f"cells of type {entry['type']!r}")
    return CategoryCells(tuple(entry["top"]), take.next("rest", int(entry["rest"])).astype(np.uint64), entry["of"])


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
