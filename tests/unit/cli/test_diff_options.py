"""What `sandbox diff` refuses before anything is asked, and what it says of a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.diff import refuse_unwritable, too_different
from mlsandbox.comparing.answers import Answer
from mlsandbox.comparing.comparison import Asked, Side, Timing, compare, with_limit
from mlsandbox.errors import UsageError


def test_a_page_does_not_take_the_place_of_the_rows(tmp_path: Path) -> None:
    """The file of the rows must not be overwritten with the page, whatever it is called; any other file may."""
    data, link = tmp_path / "rows.csv", tmp_path / "link.csv"
    data.write_text("age\n1\n", encoding="utf-8")
    link.symlink_to(data)

    for page in (data, link):
        with pytest.raises(UsageError, match="is the file of --data"):
            refuse_unwritable(page, data)
    refuse_unwritable(tmp_path / "page.html", data)
    refuse_unwritable(data, None)


def test_what_is_over_a_limit_is_seen_to_be() -> None:
    """The share that is too large, and the one that may be, must not read as the same number."""
    schema = {"columns": [{"name": "age", "type": "integer"}], "output": {"type": "number"}}
    sides = Side("v1", "sha256:1", schema), Side("v2", "sha256:2", schema)
    old = [Answer(1)] * 50_000
    new = [*[Answer(2)] * 1_001, *old[1_001:]]
    asked = Asked("f.csv", 50_000, [{"age": 1}] * 50_000, old, new, None, Timing(), Timing())
    result = compare("churn", *sides, asked)

    assert "differ in 2.002% of rows, and 2% may" in too_different(with_limit(result, 0.02)).what
