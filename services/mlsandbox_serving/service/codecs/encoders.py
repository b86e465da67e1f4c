"""Answers as bytes: JSON and CSV here, Arrow and npy where their libraries are imported, at the first answer that needs them."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final

import msgspec

from mlsandbox_serving.service.answers import NO_HEADERS, Answers, Encode
from mlsandbox_serving.service.codecs.answer_columns import as_text, columns_of
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY


class _Body(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """The JSON object; without "probabilities" when there are none."""

    predictions: list[Any]
    probabilities: list[Any] | None = None
    model: str
    version: str
    request_id: str


class _Json:
    content_type = JSON
    headers = NO_HEADERS

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def __call__(self, answers: Answers) -> bytes:
        """The whole answer as one object; numbers that JSON has no words for are null."""
        return self._encode(
            _Body(
                predictions=answers.predictions,
                probabilities=answers.probabilities,
                model=answers.model,
                version=answers.version,
                request_id=answers.request_id,
            )
        )


class _Csv:
    """RFC 4180: a header, lines that end in CRLF; null is an empty field, true and false are as in JSON."""

    content_type = f"{CSV}; charset=utf-8; header=present"
    headers = NO_HEADERS

    def __call__(self, answers: Answers) -> bytes:
        columns = columns_of(answers)
        fields = [_fields(name, values) for name, values in columns.items()]
        # A line without anything would be no row to many programs.
        lines = [line or '""' for line in map(",".join, zip(*fields, strict=True))]
        return "\r\n".join([*lines, ""]).encode("utf-8", "replace")


class _Imported:
    """An encoder whose module is imported when it is first used."""

    headers = NO_HEADERS

    def __init__(self, content_type: str, module: str, function: str) -> None:
        self.content_type = content_type
        self._module = module
        self._function = function

    def __call__(self, answers: Answers) -> bytes:
        encoded: bytes = getattr(import_module(f"mlsandbox_serving.service.codecs.{self._module}"), self._function)(answers)
        return encoded


def _fields(name: str, values: list[Any]) -> list[str]:
    """A column with its name, as the fields of its lines."""
    if {int, float}.issuperset(map(type, values)):
        # The shortest text of each number, all at once.
        return [_quoted(name), *msgspec.json.encode(values)[1:-1].decode().split(",")] if values else [_quoted(name)]
    texts = ["" if value is None else as_text(value) for value in values]
    quoted = {text: _quoted(text) for text in set(texts)}
    return [_quoted(name), *(quoted[text] for text in texts)]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


_TO_QUOTE: Final = re.compile(r'[",\r\n]')

JSON_ANSWERS: Final[Encode] = _Json()
CSV_ANSWERS: Final[Encode] = _Csv()
ARROW_ANSWERS: Final[Encode] = _Imported(ARROW, "arrow_answers", "encode")
NPY_LABELS: Final[Encode] = _Imported(NPY, "npy_answers", "predictions")
NPY_PROBABILITIES: Final[Encode] = _Imported(f"{NPY}; content=probabilities", "npy_answers", "probabilities")
