"""What a Content-Type header says of a body."""

from __future__ import annotations

import pytest

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.codecs import MEDIA_TYPES, media_type
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.refusal import RequestRefused


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", JSON),
        (" Application/JSON ; charset=UTF-8", JSON),
        ('application/json;charset="utf-8"', JSON),
        ("application/json; charset=us-ascii", JSON),
        ("application/vnd.rows+json", JSON),
        ("text/csv", CSV),
        ("text/csv; header=present; charset=utf8", CSV),
        ("application/vnd.apache.arrow.stream", ARROW),
        ("application/x-npy; version=1", NPY),
    ],
)
def test_types_that_are_taken(content_type: str, expected: str) -> None:
    """Case, blanks and parameters that say nothing else must not matter."""
    assert media_type(content_type) == expected


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("", "the body must be application/json, text/csv"),
        ("text/plain", "the body must be application/json, text/csv"),
        ("application/x-www-form-urlencoded", "the body must be"),
        ("application/octet-stream", "the body must be"),
        ("application/vnd.apache.arrow.file", "the body must be"),
        ("application/x-pickle", "a pickle is never read"),
        ("application/vnd.bentoml+pickle", "a pickle is never read"),
        ("application/json; charset=latin-1", "must be UTF-8"),
        ("text/csv; charset=windows-1252", "must be UTF-8"),
        ("text/csv; header=absent", "must name its columns"),
        ("x" * 100_000, "the body must be"),
        ("application/json\x00", "the body must be"),
    ],
)
def test_types_that_are_not(content_type: str, reason: str) -> None:
    """Everything else must be a 415 that lists what is taken, also in a header."""
    with pytest.raises(RequestRefused, match=reason) as caught:
        media_type(content_type)

    assert (caught.value.failure.status, caught.value.failure.code) == (415, ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    assert caught.value.headers == {"accept": ", ".join(MEDIA_TYPES)}


@pytest.mark.parametrize(
    ("content_type", "hint"),
    [
        ("multipart/form-data; boundary=x", "-H 'content-type: text/csv' --data-binary @file, not -F"),
        ("application/csv", "-H 'content-type: text/csv' --data-binary @file"),
        ("text/tab-separated-values", "-H 'content-type: text/csv' --data-binary @file"),
        ("application/vnd.ms-excel", "-H 'content-type: text/csv' --data-binary @file"),
        ("application/x-www-form-urlencoded", "-H 'content-type: application/json'"),
    ],
)
def test_the_hint_is_of_what_was_sent(content_type: str, hint: str) -> None:
    """A table must be told how CSV is sent, a form how a file is, and everything else how JSON is."""
    with pytest.raises(RequestRefused) as caught:
        media_type(content_type)

    assert caught.value.message.endswith(f"(curl: {hint})")


def test_a_route_may_take_fewer() -> None:
    """A route that takes JSON alone must say so."""
    with pytest.raises(RequestRefused, match="the body must be application/json \\(curl") as caught:
        media_type("text/csv", (JSON,))

    assert caught.value.headers == {"accept": JSON}
