"""Durations, sizes and lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.setting_docs import describe_settings, json_schema
from mlsandbox.setting_kinds import format_duration, format_size, parse_duration, parse_seconds, parse_size
from mlsandbox.toml_lines import key_lines


@pytest.mark.parametrize(("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("7d", 604_800)])
def test_durations(text: str, seconds: float) -> None:
    """A duration must be read in its unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 week", "1e3s", "7D"])
def test_no_durations(text: str) -> None:
    """What has no unit, or another one, must not be taken for a duration."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(1, 10**7))
def test_durations_round_trip(seconds: int) -> None:
    """Whole seconds must survive being written and read."""
    assert parse_duration(format_duration(float(seconds))) == seconds


@given(st.integers(1, 10**13))
def test_sizes_round_trip(count: int) -> None:
    """Bytes must survive being written and read."""
    assert parse_size(format_size(count)) == count


def test_sizes() -> None:
    """MB must be a power of ten, MiB a power of two."""
    assert (format_size(4 * 1024**3), format_size(10_000_000)) == ("4GiB", "10MB")
    assert [parse_size(text) for text in ("10MB", "1GB", "8MiB", "512kB", "1.5kB")] == [10_000_000, 10**9, 8 * 2**20, 512_000, 1500]


def test_bare_seconds() -> None:
    """--timeout must take a bare number as seconds."""
    assert (parse_seconds("1"), parse_seconds("0.5"), parse_seconds("2m")) == (1, 0.5, 120)


def test_lines_of_keys() -> None:
    """Each key must be found on its line, past arrays, strings and tables that span lines."""
    text = '''a = 1
"quoted key" = 2
list = [
  "x]", # ]
  [1, 2],
]
text = """
[not.a.table]
b = 3
"""
[t.u]
c = { d = 1 } # comment
e.f = 4

[[many]]
g = 5
'''
    assert key_lines(text) == {
        ("a",): 1,
        ("quoted key",): 2,
        ("list",): 3,
        ("text",): 7,
        ("t", "u"): 11,
        ("t", "u", "c"): 12,
        ("t", "u", "e", "f"): 13,
        ("many",): 15,
        ("many", "g"): 16,
    }


def test_every_setting_is_documented() -> None:
    """Each setting must say what it does, in the list and in the JSON Schema."""
    settings = list(describe_settings())

    assert len(settings) > 20
    assert [each.path for each in settings if not each.doc.endswith(".") and not each.doc.endswith('".')] == []
    assert all(each.doc in str(json_schema()) for each in settings if '"' not in each.doc)
