"""Names of files of packages and of reference profiles, and how many rows these have; `contract` gives them on."""

from __future__ import annotations

from typing import Final


class PackageFile:
    """Files of a package, relative to the bento's `src/` folder."""

    SERVICE: Final = "service.py"
    FOLDER: Final = "package"
    MANIFEST: Final = "package/package.json"
    SCHEMA: Final = "package/schema.json"
    GOLDEN: Final = "package/golden.json"
    LOCK: Final = "package/lock.txt"
    CODE: Final = "package/code"
    PROFILE: Final = "package/profile"
    """What live rows are compared with: `ProfileFile`; not there without reference data."""


class ProfileFile:
    """Files of a reference profile, in a folder of their own."""

    DOCUMENT: Final = "profile.json"
    ARRAYS: Final = "profile.npz"
    ROWS: Final = "rows.npz"
    """A sample of the reference rows, for the engine that needs rows."""
    SAMPLE_ROWS: Final = 10_000
    """Rows of that sample at most."""
    ALL: Final = (DOCUMENT, ARRAYS, ROWS)
    BASELINE: Final = "baseline.json"
    """Beside the files of a baseline alone: {"created": ISO 8601, "source": where its rows are from in words,
    "files": {name: SHA-256 in hex}, …}."""
    MOST_ROWS: Final = 200_000
    """Rows that one is made of at most."""
    MOST_CELLS: Final = 4_000_000
    """Values of columns and answers in these rows at most: they are held in memory, with about 150 bytes each."""
    FEWEST_ROWS: Final = 500
    """With fewer only missing, unseen and out-of-range values are told; a baseline needs as many."""
    LEAST_ROWS: Final = 50
    """With fewer there is no reference at all: every second live row would be out of the range of so few."""
    WINDOW_ROWS: Final = 1_000
    """Rows of a window of the engine that needs rows; of a reference with fewer it makes nothing."""
    GOOD_ROWS: Final = 5_000
    """From so many on changes are seen as early as they can be."""
