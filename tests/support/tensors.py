"""Requests of the Open Inference Protocol, written by hand: what clients send, and what none would."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NUMPY = {
    "BOOL": "u1",
    **{f"{sign}INT{bits}": f"<{kind}{bits // 8}" for sign, kind in (("U", "u"), ("", "i")) for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}


def tensor(name: str, datatype: str, data: Sequence[Any], shape: Sequence[Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """An input with its elements in the JSON."""
    made: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(shape or [len(data)]), "data": list(data)}
    return {**made, "parameters": parameters} if parameters else made


def packed(datatype: str, data: Sequence[Any]) -> bytes:
    """Elements in binary form; None is NaN."""
    if datatype == "BYTES":
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in data]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(data, dtype=NUMPY[datatype]).tobytes()


def body(*inputs: Mapping[str, Any], binary: Sequence[int] = (), **fields: Any) -> tuple[bytes, int | None]:
    """A request's body and the length of its JSON, if that has to be said.

    Args:
        inputs: made by `tensor`.
        binary: the places of those that are sent in binary form.
        fields: further fields of the request.
    """
    tails: list[bytes] = []
    written: list[Mapping[str, Any]] = []
    for place, one in enumerate(inputs):
        if place in binary:
            tails.append(packed(one["datatype"], one["data"]))
            kept = {key: value for key, value in one.items() if key != "data"}
            written.append({**kept, "parameters": {**one.get("parameters", {}), "binary_data_size": len(tails[-1])}})
        else:
            written.append(one)
    header = json.dumps({"inputs": written, **fields}).encode()
    return header + b"".join(tails), len(header) if tails else None
