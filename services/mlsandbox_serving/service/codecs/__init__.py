"""The formats of a prediction: bodies as checked columns, answers as bytes.

Importing it imports neither numpy nor pyarrow: the service answers /livez before the model is loaded, and most never meet Arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from mlsandbox_serving.service.codecs.accept import encoder_for
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, MEDIA_TYPES, NPY, media_type

if TYPE_CHECKING:
    from mlsandbox_serving.schema import Columns, Schema

__all__ = ["ARROW", "MEDIA_TYPES", "Decode", "decoders", "encoder_for", "media_type"]

Decode = Callable[[bytes], "Columns"]
"""Reads and checks one body. Raises RequestRefused (400, 413, 415) or SchemaMismatch."""

_DECODERS: Final = {
    JSON: ("mlsandbox_serving.service.decoding", "JsonDecoder"),
    CSV: ("mlsandbox_serving.service.codecs.csv_rows", "CsvDecoder"),
    ARROW: (__name__, "_ArrowOnFirstUse"),
    NPY: ("mlsandbox_serving.service.codecs.npy_rows", "NpyDecoder"),
}


def decoders(schema: Schema, *, max_rows: int) -> dict[str, Decode]:
    """How each of MEDIA_TYPES is read for one model.

    Args:
        schema: of the model.
        max_rows: so many rows are taken in one request.
    """
    return {name: getattr(import_module(module), decoder)(schema, max_rows=max_rows) for name, (module, decoder) in _DECODERS.items()}


class _ArrowOnFirstUse:
    """Imports pyarrow (a tenth of a second, 30 MB) with the first body that needs it, where the model's own libraries have not."""

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._decode: Decode | None = None

    def __call__(self, body: bytes) -> Columns:
        if self._decode is None:
            decoder = import_module("mlsandbox_serving.service.codecs.arrow_rows").ArrowDecoder
            self._decode = cast("Decode", decoder(self._schema, max_rows=self._max_rows))
        return self._decode(body)
