"""The body of a feedback request as labels of predictions.

Only what the labels are is checked: whether there is such a prediction, and of which version, is known to who keeps them.
Imports neither numpy nor the model's schema: labels are taken while a model is being loaded, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.record import Label
from mlsandbox_serving.service.exchange import is_request_id
from mlsandbox_serving.service.json_body import Names, has_names, parse, parse_names, refuse_crowded
from mlsandbox_serving.service.refusal import RequestRefused, refuse_many

MAX_FAULTS: Final = 20
"""So many are told, all are counted."""
LONGEST_LABEL: Final = 1024
FORMS: Final = 'a label {"request_id": "…", "row": 0, "label": …}, a list of them, or {"labels": [{…}, …]}'
_IN_MESSAGE: Final = 3
_NO_OTHERS: Final = "no other fields than request_id, row and label"
_LONGEST_NAME: Final = 40
_SPARE: Final = 1_000
_ENVELOPE: Final = "labels"
_FIELDS: Final = ("request_id", "row", "label")
_INT64: Final = range(-(2**63), 2**63)
_KINDS: Final = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one item; no value of it is repeated, and the name of a field to its client alone.

    Args:
        item: place in the request, from 0.
        field: of the item; None when it is about the whole item.
        expected: as a phrase.
        got: as a phrase.
    """

    item: int
    field: str | None
    expected: str
    got: str

    def __str__(self) -> str:
        where = f"item {self.item}" if self.field is None else f"item {self.item}, {self.field}"
        return f"{where}: expected {self.expected}, got {self.got}"


def decode_feedback(body: bytes, *, max_items: int) -> list[Label]:
    """Read and check one label, a list of labels, or `{"labels": […]}`.

    Raises:
        RequestRefused: 400 for what is not JSON, 413 for too many labels, 422 naming the items that are no labels.
    """
    refuse_crowded(body, 2 * max_items + _SPARE, max_items)
    content = parse(body, FORMS)
    items = _items(content)
    refuse_many(len(items), max_items, what="labels")
    faults = [fault for place, item in enumerate(items) for fault in _faults(place, item)]
    names = sum(len(item) for item in items if isinstance(item, dict)) + _is_envelope(content)
    faults += [] if has_names(body, names) else _repeated(parse_names(body))
    if faults:
        raise RequestRefused(
            422,
            ErrorCode.FEEDBACK_INVALID,
            _message(faults),
            logged=_message([replace(fault, got="others") if fault.expected == _NO_OTHERS else fault for fault in faults]),
            details={"faults": [asdict(fault) for fault in faults[:MAX_FAULTS]], "total": len(faults)},
        )
    return [Label(item["request_id"], int(item.get("row", 0)), item["label"]) for item in items]


def _message(faults: list[Fault]) -> str:
    more = len(faults) - _IN_MESSAGE
    return "; ".join(map(str, faults[:_IN_MESSAGE])) + (f"; and {more} more" if more > 0 else "")


def _items(content: Any) -> list[Any]:
    if isinstance(content, dict):
        content = content[_ENVELOPE] if _is_envelope(content) else [content]
    if not isinstance(content, list):
        raise RequestRefused(422, ErrorCode.FEEDBACK_INVALID, f"expected {FORMS}, got {_kind(content)}", details={"faults": [], "total": 1})
    return content


def _is_envelope(content: Any) -> bool:
    return isinstance(content, dict) and content.keys() == {_ENVELOPE}


def _repeated(content: Any) -> Iterator[Fault]:
    """What is wrong with fields that are sent twice: which of the two is meant cannot be known."""
    if _is_envelope(content) and content.repeated:
        yield Fault(0, None, f"one list in {_ENVELOPE}", "several")
    for place, item in enumerate(_items(content)):
        if isinstance(item, Names) and item.repeated:
            yield Fault(place, None, "each field once", "one of them twice")


def _faults(place: int, item: Any) -> Iterator[Fault]:
    if not isinstance(item, dict):
        yield Fault(place, None, "an object with request_id, row and label", _kind(item))
        return
    if len(item.keys() - set(_FIELDS)) > 0:
        other = next(name for name in item if name not in _FIELDS)
        yield Fault(place, None, _NO_OTHERS, repr(other if len(other) <= _LONGEST_NAME else f"{other[:_LONGEST_NAME]}…"))
    request_id, row, label = (item.get(name) for name in _FIELDS)
    if not (isinstance(request_id, str) and is_request_id(request_id)):
        yield Fault(place, "request_id", "the request_id of an answer: 1 to 128 printable ASCII characters", _kind(request_id))
    if "row" in item and not _is_place(row):
        yield Fault(place, "row", "the row's place in its request, from 0", _kind_of_place(row))
    if not _is_label(label):
        expected = f"a class or a number: a text of at most {LONGEST_LABEL} characters, a number, true or false"
        yield Fault(place, "label", expected, _kind(label))


def _is_place(value: Any) -> bool:
    """A whole number, however it is written: JSON does not tell 1.0 from 1."""
    return (type(value) is int or (type(value) is float and value.is_integer())) and 0 <= value < _INT64.stop


def _is_label(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_LABEL
    return isinstance(value, bool | float) or (isinstance(value, int) and value in _INT64)


def _kind_of_place(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "a negative number" if number and value < 0 else _kind(value)


def _kind(value: Any) -> str:
    return "nothing" if value is None else "another text" if isinstance(value, str) else _KINDS.get(type(value), "something else")
