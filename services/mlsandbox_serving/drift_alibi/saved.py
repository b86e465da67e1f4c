"""The state of an engine as bytes: an npz archive (no pickles) whose entry `document` is JSON."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift import StateUnreadable
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.progress import Progress

_VERSION: Final = 1


@dataclass(frozen=True)
class Saved:
    """The parts of a state.

    Args:
        fingerprint: of the profile.
        rows: seen in all.
        progress: of the windows.
        partial: rows that are no whole window yet.
        waiting: whole windows that were not compared yet, with the row with which each ended.
        learned: the reference, or what there is of it, when live rows become it.
    """

    fingerprint: str
    rows: int
    progress: Progress
    partial: Floats
    waiting: tuple[tuple[int, Floats], ...]
    learned: Floats | None


def pack(saved: Saved) -> bytes:
    """A state as bytes."""
    document = {
        "version": _VERSION,
        "fingerprint": saved.fingerprint,
        "rows": saved.rows,
        "progress": saved.progress.document(),
        "waiting": [last for last, _ in saved.waiting],
    }
    arrays: dict[str, NDArray[Any]] = {f"waiting/{index}": table for index, (_, table) in enumerate(saved.waiting)}
    arrays["partial"] = saved.partial
    if saved.learned is not None:
        arrays["learned"] = saved.learned
    arrays["document"] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy before 2.1 has no other keyword, and no array has its name
    return buffer.getvalue()


def unpack(state: bytes) -> Saved:
    """The parts of a state.

    Raises:
        StateUnreadable: it is damaged or of a later version.
    """
    try:
        with np.load(BytesIO(state), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays["document"].tobytes())
        _check_version(document["version"])
        return Saved(
            fingerprint=document["fingerprint"],
            rows=int(document["rows"]),
            progress=Progress.read(document["progress"]),
            partial=arrays["partial"],
            waiting=tuple((int(last), arrays[f"waiting/{index}"]) for index, last in enumerate(document["waiting"])),
            learned=arrays.get("learned"),
        )
    except StateUnreadable:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise StateUnreadable(f"it is damaged ({type(error).__name__}: {error})") from error


def _check_version(version: Any) -> None:
    if version > _VERSION:
        raise StateUnreadable(f"it has format version {version}, and this program reads up to {_VERSION}")
