"""Datatypes of tensors, and which one a column or an output of a model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

BYTES: Final = "BYTES"
BOOL: Final = "BOOL"
FP16: Final = "FP16"
FP32: Final = "FP32"
FP64: Final = "FP64"
INT64: Final = "INT64"

SIZES: Final[Mapping[str, int]] = {
    BOOL: 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    INT64: 8,
    FP16: 2,
    FP32: 4,
    FP64: 8,
}
"""Bytes of one element; those of BYTES tell their length themselves."""
ALL: Final = (*SIZES, BYTES)

PREDICT: Final = "predict"
PREDICT_PROBA: Final = "predict_proba"

_WIDTHS: Final = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")


def of_column(column: Mapping[str, Any]) -> str:
    """The datatype that a column is announced with; others that hold the same values are taken as well.

    Args:
        column: an entry of `columns` in schema.json.
    """
    kind, dtype = column["type"], str(column["dtype"]).lower()
    if kind == "category":
        return of_values(column.get("categories") or ())
    if kind == "boolean":
        return BOOL
    if kind == "float":
        # There is no FP16 in JSON; and what "float[pyarrow]" is called, numpy calls float32.
        return FP32 if dtype.startswith(("float32", "float16", "halffloat", "float[")) else FP64
    if kind == "integer":
        return next((width.upper() for width in _WIDTHS if dtype.startswith(width)), INT64)
    return BYTES


def of_prediction(output: Mapping[str, Any]) -> str:
    """The datatype of `predict`.

    Args:
        output: `output` of schema.json.
    """
    return of_values(output.get("classes") or ()) if output["type"] == "class" else FP64


def of_values(values: Sequence[Any]) -> str:
    """The narrowest of BOOL, INT64, FP64 and BYTES that holds all of these JSON values; BYTES for none at all."""
    return next((name for name in (BOOL, INT64, FP64) if values and holds(name, values)), BYTES)


def holds(datatype: str, values: Sequence[Any]) -> bool:
    """Whether each of these values is an element of the datatype (one of BOOL, INT64, FP64, BYTES); FP64 has NaN for null."""
    if datatype == BYTES:
        return True
    kinds = set(map(type, values))
    if datatype == BOOL:
        return kinds == {bool}
    if datatype == INT64:
        return kinds == {int} and all(-(2**63) <= value < 2**63 for value in values)
    small = int not in kinds or all(abs(value) < 2**1023 for value in values if type(value) is int)
    return kinds <= {int, float, type(None)} and small
