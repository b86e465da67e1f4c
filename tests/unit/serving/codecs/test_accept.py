"""Which format an Accept header gets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.service.codecs import encoder_for
from mlsandbox_serving.service.codecs.accept import _OFFERS
from mlsandbox_serving.service.codecs.media_types import ARROW, JSON, NPY

CSV = "text/csv; charset=utf-8; header=present"
PROBABILITIES = f"{NPY}; content=probabilities"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("application/json; charset=utf-8", JSON),
        ("text/csv", CSV),
        ("Text/CSV;Header=Present", CSV),
        ("text/*", CSV),
        ("application/vnd.apache.arrow.stream", ARROW),
        ("application/x-npy", NPY),
        ("application/x-npy; content=probabilities", PROBABILITIES),
        ('application/x-npy; content="probabilities"', PROBABILITIES),
        # The better weight, not the first one; and between equals ours.
        ("application/json;q=0.5, text/csv", CSV),
        ("text/csv;q=0.9, application/json;q=0.8", CSV),
        ("text/csv, application/json", JSON),
        ("text/csv;q=0.001", CSV),
        # The more specific range says what is meant, wherever it stands.
        ("*/*, application/json;q=0.1", CSV),
        ("text/csv;q=0.1, text/*;q=0.9, application/json;q=0.5", JSON),
        ("application/*;q=0.5, application/x-npy, */*;q=0.1", NPY),
        ("application/x-npy;q=0.2, application/x-npy;content=probabilities", PROBABILITIES),
        # Not acceptable.
        ("application/json;q=0, */*", CSV),
        ("*/*;q=0", JSON),
        ("application/json;q=0", JSON),
        # What there is not.
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("image/png", JSON),
        ("text/csv; header=absent", JSON),
        ("text/csv; charset=latin-1", JSON),
        ("application/x-npy; content=scores", JSON),
        # Broken parts are left out, the others count.
        ("text/csv;q=2", JSON),
        ("text/csv;q=x, application/x-npy;q=0.1", NPY),
        (",,;;q=1, text/csv", CSV),
        ("csv, /, */, text/csv", CSV),
        ('text/csv; a="x, application/x-npy;q=1"; q=0.3, application/vnd.apache.arrow.stream;q=0.4', ARROW),
        ('text/csv; a="', CSV),
        ("text/csv, " + "a/b, " * 10_000, CSV),
        # No more than the first 256 characters count, and what they end in the middle of does not.
        ("text/csv, " + '"\\"' * 300, CSV),
        ("text/csv;q=0.5, " + "a/b, " * 47 + "*/*;q=0.9", CSV),
    ],
)
def test_what_an_accept_header_gets(accept: str | None, expected: str) -> None:
    """Weights, wildcards and parameters must count as RFC 9110 says; JSON is for whoever says nothing that there is."""
    assert encoder_for(accept).content_type == expected


@settings(max_examples=500, deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from([*'*/,;="\\ q01.', "text", "csv", "application", "json", "text/csv", "*/*", ";q=0.5", ", "])).map("".join)
)
def test_no_header_is_a_fault(accept: str) -> None:
    """Whatever the header holds, there must be a format."""
    assert encoder_for(accept) in [offer[2] for offer in _OFFERS]


def test_a_header_is_read_once() -> None:
    """The same header must be answered with the same encoder, without reading it again."""
    assert encoder_for("text/csv;q=0.77") is encoder_for("text/csv;q=0.77")
