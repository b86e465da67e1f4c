"""The state of a monitor as bytes: an npz archive (no pickles) whose entry `document` is JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.profile.definition import Profile
from mlsandbox_serving.drift.profile.store import decode, encode
from mlsandbox_serving.drift.settings import Settings

VERSION: Final = 1
_PROFILE: Final = "profile/"
_ENGINE: Final = "engine/"
_DOCUMENT: Final = "document"
Arrays = dict[str, NDArray[Any]]


class StateUnreadable(ValueError):
    """A monitor cannot go on from this state and has to begin anew; the text says why."""


@dataclass(frozen=True)
class Saved:
    """The parts of a state.

    Args:
        settings: that the monitor has.
        profile: only one that it learned itself.
        fingerprint: of its profile.
        learner: what it has learned so far, for JSON.
        engine: document and arrays.
        extra: rows with columns that the reference does not have.
        without_inputs: rows without inputs.
    """

    settings: Settings
    profile: Profile | None
    fingerprint: str | None
    learner: Mapping[str, Any] | None
    engine: tuple[Mapping[str, Any], Arrays] | None
    extra: dict[str, int]
    without_inputs: int


def fingerprint(profile: Profile | None) -> str | None:
    """A digest by which a profile is known again; None for none."""
    if profile is None:
        return None
    document, arrays = encode(profile)
    content = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        content.update(arrays[name].tobytes())
    return content.hexdigest()


def pack(saved: Saved) -> bytes:
    """A state as bytes: the same for the same state."""
    arrays: Arrays = {}
    document: dict[str, Any] = {
        "version": VERSION,
        "settings": asdict(saved.settings),
        "fingerprint": saved.fingerprint,
        "learner": saved.learner,
        "extra": saved.extra,
        "without_inputs": saved.without_inputs,
        "profile": None,
        "engine": None,
    }
    if saved.profile is not None:
        document["profile"], own = encode(saved.profile)
        arrays |= {_PROFILE + name: array for name, array in own.items()}
    if saved.engine is not None:
        document["engine"], own = saved.engine
        arrays |= {_ENGINE + name: array for name, array in own.items()}
    arrays[_DOCUMENT] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
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
        document = json.loads(arrays[_DOCUMENT].tobytes())
        _check_version(document["version"])
        profile, engine = document["profile"], document["engine"]
        return Saved(
            settings=Settings(**document["settings"]),
            profile=None if profile is None else decode(profile, _under(_PROFILE, arrays)),
            fingerprint=document["fingerprint"],
            learner=document["learner"],
            engine=None if engine is None else (engine, _under(_ENGINE, arrays)),
            extra=dict(document["extra"]),
            without_inputs=int(document["without_inputs"]),
        )
    except StateUnreadable:
        raise
    except Exception as error:  # a damaged archive raises almost anything
        raise StateUnreadable(f"it is damaged ({type(error).__name__}: {error})") from error


def _check_version(version: Any) -> None:
    if version > VERSION:
        raise StateUnreadable(f"it has format version {version}, and this program reads up to {VERSION}")


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
