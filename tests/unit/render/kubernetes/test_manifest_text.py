"""Manifests as YAML."""

from __future__ import annotations

from enum import StrEnum

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.render.kubernetes.manifest_text import manifest_text, stream_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text("ab :#-'\"\n\t\r \x85\u2028|>%@&*!{}[],?~=", max_size=40)


@given(st.recursive(TEXTS | st.none() | st.booleans() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_round_trip(document: object) -> None:
    """Whatever is written must be read as the same."""
    assert yaml.safe_load(manifest_text({"document": document})) == {"document": document}


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "null",
        "~",
        "",
        "1",
        "0x1f",
        "0o17",
        "017",
        "1e3",
        "12:30",
        "1_000",
        ".inf",
        "2001-01-01",
        "=",
    ],
)
def test_words_of_yaml(word: str) -> None:
    """A text that some version of YAML takes for something else must be in quotes."""
    assert manifest_text({"key": word}) == f'key: "{word}"\n'


def test_files() -> None:
    """A text of several lines must be written as it lies, also in a list."""
    text = "<match **>\n  @type $x\n</match>\n"

    assert manifest_text({"fluent.conf": text}) == "fluent.conf: |\n  <match **>\n    @type $x\n  </match>\n"
    assert yaml.safe_load(manifest_text([text, "b"])) == [text, "b"]


def test_enumerations() -> None:
    """Members of enumerations must be plain texts, tuples lists."""

    class Word(StrEnum):
        ONE = "one"

    assert manifest_text({Word.ONE: (Word.ONE, 2)}) == "one:\n  - one\n  - 2\n"


def test_stream() -> None:
    """Several documents must have one line between them."""
    assert stream_text([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"
