"""Archives of arrays, read without believing what they say of themselves: a small file must not become gigabytes."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from numpy.lib import format as npy
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all arrays of a file, and of a document beside it."""
_HEADERS: Final = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(path: Path, names: Collection[str]) -> Arrays:
    """The arrays of a file that numpy wrote; pickles are not read.

    Args:
        path: of the file.
        names: that it may have.

    Raises:
        FileNotFoundError: it is not there.
        Exception: it is damaged, too large or holds something else; what is raised depends on where it is damaged.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        found = [entry.filename.removesuffix(".npy") for entry in entries]
        if len(set(found)) < len(found) or not set(found) <= set(names):
            raise ValueError(f"arrays {', '.join(map(repr, found))[:200]} where only {', '.join(names)} are expected")
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ValueError(f"its arrays are larger than {MOST_BYTES:,} bytes")
        return {name: _array(archive.read(entry)) for name, entry in zip(found, entries, strict=True)}


def _array(content: bytes) -> NDArray[Any]:
    file = BytesIO(content)
    shape, _, dtype = _HEADERS[npy.read_magic(file)](file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of shape {shape} and type {dtype} does not have {len(content) - file.tell():,} bytes")
    file.seek(0)
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array
