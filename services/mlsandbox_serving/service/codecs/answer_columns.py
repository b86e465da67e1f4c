"""Answers as a table: a name and one value per row, for the formats that know neither objects nor lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, product
from typing import Any, Final, Literal

import msgspec

from mlsandbox_serving.service.answers import Answers

Kind = Literal["boolean", "integer", "number", "text"]
_INTEGERS: Final = (-(2**63), 2**63 - 1)


def columns_of(answers: Answers) -> dict[str, list[Any]]:
    """`prediction`, or `prediction_0`, … where a model answers several values per row; then `probability_<class>`."""
    columns = _columns("prediction", answers.predictions, None)
    if answers.probabilities is not None:
        columns |= _columns("probability", answers.probabilities, answers.classes)
    return columns


def flattened(values: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """Nested lists as their leaves, row by row, and their shape; lists of different lengths stay leaves."""
    shape = [len(values)]
    leaves = values
    while leaves and set(map(type, leaves)) == {list} and len(set(map(len, leaves))) == 1:
        shape.append(len(leaves[0]))
        leaves = list(chain.from_iterable(leaves))
    return leaves, tuple(shape)


def kind_of(leaves: Sequence[Any]) -> Kind:
    """What all of these are, null aside; what has no type in common, or integers that 64 bits do not hold, are text."""
    types = set(map(type, leaves)) - {type(None)}
    if types == {bool}:
        return "boolean"
    whole = [leaf for leaf in leaves if type(leaf) is int] if int in types else []
    if not types <= {int, float} or (whole and not (_INTEGERS[0] <= min(whole) and max(whole) <= _INTEGERS[1])):
        return "text"
    return "integer" if types == {int} else "number"


def as_text(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def _columns(name: str, values: list[Any], classes: Sequence[Any] | None) -> dict[str, list[Any]]:
    leaves, shape = flattened(values)
    if len(shape) == 1 or not leaves:
        return {name: values}
    width = math.prod(shape[1:])
    endings = ["_".join(map(str, place)) for place in product(*map(range, shape[1:]))]
    told = [as_text(one) for one in classes or ()]
    if len(told) == width and len(set(told)) == width:
        endings = told
    return {f"{name}_{ending}": leaves[index::width] for index, ending in enumerate(endings)}
