"""What a model answered to one request, before it has a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Answers(msgspec.Struct, frozen=True, gc=False):
    """Predictions of one request's rows, as JSON values.

    Args:
        predictions: one value, or one list of values, per row.
        probabilities: one list per row in the order of `classes`; None when the model has none.
        classes: of a classifier, where they are known.
        model: its name.
        version: of the package that answered.
        request_id: of the request.
    """

    predictions: list[Any]
    probabilities: list[Any] | None
    classes: Sequence[Any] | None
    model: str
    version: str
    request_id: str


class Encode(Protocol):
    """Writes answers down in one format."""

    content_type: str
    headers: Mapping[str, str]
    """Further headers of the answer that was written last."""

    def __call__(self, answers: Answers) -> bytes:
        """The body of the answer."""
