"""The formats of a prediction: bodies as checked columns, answers as bytes.

Importing it imports neither numpy nor pyarrow: the service answers /livez before the model is loaded, and most never meet Arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from mlsandbox_serving.service.codecs.accept import encoder_for
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, MEDIA_TYPES, NPY, media_type

if TYPE_CHECKING:
    from mlsandbox_serving.schema import Columns, Schema

__all__ = ["MEDIA_TYPES", "Decode", "decoders", "encoder_for", "media_type"]

Decode = Callable[[bytes], "Columns"]
"""Reads and checks one body. Raises RequestRefused (400, 413, 415) or SchemaMismatch."""

_DECODERS: Final = {
    JSON: ("mlsandbox_serving.service.decoding", "JsonDecoder"),
    CSV: ("mlsandbox_serving.service.codecs.csv_rows", "CsvDecoder"),
    ARROW: ("mlsandbox_serving.service.codecs.arrow_rows", "ArrowDecoder"),
    NPY: ("mlsandbox_serving.service.codecs.npy_rows", "NpyDecoder"),
}


def decoders(schema: Schema, *, max_rows: int) -> dict[str, Decode]:
    """How each of MEDIA_TYPES is read for one model.

    Args:
        schema: of the model.
        max_rows: so many rows are taken in one request.
    """
    return {name: getattr(import_module(module), decoder)(schema, max_rows=max_rows) for name, (module, decoder) in _DECODERS.items()}
