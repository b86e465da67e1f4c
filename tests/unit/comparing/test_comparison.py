"""What is said of two versions' answers."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlsandbox.comparing.answers import Answer, Tolerance, Verdict, verdict
from mlsandbox.comparing.comparison import Asked, Comparison, Side, Timing, compare, schema_changes, with_limit
from mlsandbox.comparing.shift import distance
from mlsandbox.output import Paint
from mlsandbox.views.diff import diff_text
from mlsandbox.views.diff_page import diff_page

PLAIN = Paint(on=False)
CLASSES = ["no", "yes"]
COLUMNS = [
    {"name": "age", "type": "integer"},
    {"name": "plan", "type": "category", "categories": ["a", "b"]},
    {"name": "email", "type": "string"},
]
SCHEMA = {"columns": COLUMNS, "output": {"type": "class", "classes": CLASSES}}
V1, V2 = Side("v1", "sha256:1", SCHEMA, frozenset({"email"})), Side("v2", "sha256:2", SCHEMA)
NUMBERS = {"columns": COLUMNS, "output": {"type": "number"}}


def rows(count: int = 1_000) -> list[dict[str, Any]]:
    return [{"age": 20 + place % 60, "plan": "b" if place % 20 == 7 else "a", "email": f"<p{place}@x>"} for place in range(count)]


def said(label: str, probability: float = 0.8) -> Answer:
    return Answer(label, [1 - probability, probability] if label == "yes" else [probability, 1 - probability])


def compared(old: Sequence[Answer], new: Sequence[Answer], schema: Any = SCHEMA, tolerance: Tolerance | None = None) -> Comparison:
    timings = Timing((0.001,) * 20, (0.00001,) * 4), Timing((0.003,) * 20, (0.00002,) * 4)
    asked = Asked("holdout.csv", len(old), rows(len(old)), old, new, tolerance, *timings)
    return compare("churn", Side("v1", "sha256:1", schema, frozenset({"email"})), Side("v2", "sha256:2", schema), asked)


def flipped() -> Comparison:
    """All of plan b, 5% of the rows, are answered the other way round."""
    old = [said("yes") for _ in rows()]
    return compared(old, [said("no") if row["plan"] == "b" else said("yes") for row in rows()])


def test_five_percent_in_one_segment() -> None:
    """A version that flips exactly 5% of the rows, all of one plan, must be said to differ in 5.0% of rows, there and nowhere else."""
    result = flipped()

    assert (result.rate, result.differing, result.rows) == (0.05, 50, 1_000)
    assert [each.text for each in result.segments] == ["plan = b"]
    text = diff_text(result, PLAIN)
    assert "50 of 1,000 rows: 5.0%" in text
    assert "plan = b" in text
    assert result.slower == pytest.approx(3.0)


def test_nothing_of_a_hidden_column_is_told() -> None:
    """Values of a private column must be in no form of the report, and that it was not searched in each."""
    result = flipped()

    for text in (diff_text(result, PLAIN), diff_page(result), json.dumps(result.to_json())):
        assert "p7@x" not in text
        assert "email" in text
    assert all("email" not in each.values for each in result.examples)


def test_a_refusal_is_a_difference_and_a_new_error() -> None:
    """Rows that one version alone answers must count as different, and be told with their reasons; those that none answers must not."""
    refused = Answer(code="SCHEMA_MISMATCH", message="row 0, column 'age': too old")
    old = [said("yes")] * 90 + [refused] * 10
    new = [refused] * 4 + [said("yes")] * 86 + [refused] * 8 + [said("yes")] * 2
    result = compared(old, new)

    assert (result.rows, result.neither, result.differing) == (92, 8, 6)
    assert result.verdicts[Verdict.ONLY_OLD] == 4
    assert [(each.code, each.rows, each.first) for each in result.new_errors] == [("SCHEMA_MISMATCH", 4, 0)]
    assert [(each.rows, each.first) for each in result.gone_errors] == [(2, 98)]
    assert "New errors: v2 refuses what v1 answers" in diff_text(result, PLAIN)


def test_the_shift_of_classes() -> None:
    """Shares of classes and means of their probabilities must be those of each version."""
    no, yes = flipped().shift.classes

    assert (no.name, no.old_share, no.new_share) == ("no", 0.0, 0.05)
    assert yes.old_mean == pytest.approx(0.8)
    assert yes.new_mean == pytest.approx(0.8 * 0.95 + 0.2 * 0.05)
    assert yes.ks == pytest.approx(0.05)


def test_numbers_differ_beyond_the_tolerance_alone() -> None:
    """Of predicted numbers those that are further apart than the tolerance must count, and by how much be told."""
    chance = random.Random(1)
    old = [Answer(chance.gauss(100, 10)) for _ in range(1_000)]
    new = [Answer(each.prediction * (1 + 1e-12) if place % 10 else each.prediction + 5.0) for place, each in enumerate(old)]
    result = compared(old, new, NUMBERS, Tolerance())

    assert result.differing == 100
    (moved,) = result.shift.numbers
    assert moved.mean == pytest.approx(0.5, abs=1e-6)
    assert moved.median == pytest.approx(0.0, abs=1e-6)
    assert moved.largest == pytest.approx(5.0)
    assert moved.spread == pytest.approx(float(np.std([each.prediction for each in old])))
    assert "a row moves by 0.5 on average" in diff_text(result, PLAIN)


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "same"),
    [
        (1, True, Tolerance(), False),
        (1, 1.0, None, True),
        (1.0, 1.0 + 1e-12, None, False),
        (1.0, 1.0 + 1e-12, Tolerance(), True),
        ([1.0, 2.0], [1.0, 2.5], Tolerance(), False),
        ([1.0, 2.0], [1.0], Tolerance(), False),
        (None, None, Tolerance(), True),
        ("yes", "no", Tolerance(), False),
        (100.0, 101.0, Tolerance(rtol=0.02), True),
    ],
)
def test_what_is_the_same(old: Any, new: Any, tolerance: Tolerance | None, same: bool) -> None:  # noqa: FBT001 - a table
    """Labels must be equal, numbers close, and a number is no boolean."""
    assert verdict(Answer(old), Answer(new), tolerance) is (Verdict.SAME if same else Verdict.OTHER)


@given(
    st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60), st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)
)
def test_the_distance_is_that_of_kolmogorov_and_smirnov(old: list[float], new: list[float]) -> None:
    """The distance of two samples must be the statistic of the two-sample test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the p-value, for so few numbers
        expected = stats.ks_2samp(old, new, method="asymp").statistic
    assert distance(sorted(old), sorted(new)) == pytest.approx(expected)


def test_what_changed_in_the_schema() -> None:
    """Columns that came, went, or take other values, and classes that changed, must be named."""
    plan = {"name": "plan", "type": "category", "categories": ["a", "c", "d"]}
    new = {
        "columns": [{"name": "age", "type": "float"}, plan, {"name": "city", "type": "string"}],
        "output": {"type": "class", "classes": ["no"]},
    }

    assert schema_changes(SCHEMA, SCHEMA) == ()
    assert schema_changes(SCHEMA, new) == (
        "column email is gone",
        "column city is new",
        "column age: type integer became float",
        "column plan: categories changed, 2 new and 1 gone",
        "the answer's classes changed",
    )


class _Page(HTMLParser):
    """Which elements a page has, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "span"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "span":
            assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing() -> None:
    """The page must be well-formed, without script or link, with headings of tables for those who hear it, and escape what it shows."""
    result = with_limit(flipped(), 0.02)
    page = diff_page(compared([said("<b>")] * 200, [said("<i>")] * 200)) + diff_page(result)
    parser = _Page()
    parser.feed(page)

    assert parser.open == []
    assert not {"script", "link", "img", "iframe", "b", "i"} & {tag for tag, _ in parser.seen}
    assert all("scope" in facts for tag, facts in parser.seen if tag == "th")
    assert "More than the 2.0% that may" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_limit_is_over_only_above_it() -> None:
    """A share of differing rows that is exactly the allowed one must pass."""
    assert not with_limit(flipped(), 0.05).over
    assert with_limit(flipped(), 0.0499).over
    assert not flipped().over


def test_the_document_keeps_its_names() -> None:
    """Scripts rely on the names of the JSON document."""
    document = flipped().to_json()

    assert list(document) == [
        *("model", "old", "new", "source", "rows", "rows_distinct", "rows_refused_by_both", "rows_there", "disagreement", "segments"),
        *("columns_searched", "columns_left_out", "shift", "latency_seconds", "new_errors", "gone_errors", "errors_of_both"),
        *("schema_changes", "examples"),
    ]
    assert document["disagreement"]["rate"] == 0.05
    assert document["segments"][0]["conditions"] == [{"column": "plan", "value": "b"}]


def test_no_rows_at_all() -> None:
    """Versions that both refuse everything must be said to be known from no row, with the reason, and not fail."""
    refused = Answer(code="MODEL_FAILED", message="it failed")
    result = compared([refused] * 10, [refused] * 10)

    assert (result.rows, result.rate, result.segments) == (0, 0.0, ())
    assert [(each.rows, each.message) for each in result.both_errors] == [(10, "it failed")]
    text = diff_text(result, PLAIN)
    assert "Nothing is compared: both refuse each of 10 rows" in text
    assert "MODEL_FAILED (10 rows, the first is 0): it failed" in text
    assert "95%" not in text
    assert "it failed" in diff_page(result)


def test_rows_are_called_as_where_they_are_from() -> None:
    """Examples and refusals of a sample must have the numbers of the rows in the file, in each form of the report."""
    refused = Answer(code="SCHEMA_MISMATCH", message="too old")
    asked = Asked("f.csv", 90_000, rows(3), [said("yes"), said("yes"), refused], [said("no"), refused, refused], None, Timing(), Timing())
    result = compare("churn", V1, V2, replace(asked, numbers=(70, 800, 80_001), counted="from 0, as in the file"))

    assert [each.row for each in result.examples] == [70, 800]
    assert [each.first for each in (*result.new_errors, *result.both_errors)] == [800, 80_001]
    text, page = diff_text(result, PLAIN), diff_page(result)
    assert "Some that differ (rows are counted from 0, as in the file)\n  row 70: " in text
    assert "SCHEMA_MISMATCH (row 800): too old" in text
    assert all(word in page for word in ("from 0, as in the file", ">70<", ">80,001<"))


def test_rows_that_are_alike_are_told() -> None:
    """How many rows are distinct must be told when some were asked about more often, by all columns that one of the versions takes."""
    twice = [said("yes")] * 1_000
    asked = Asked("the log", 1_000, rows(500) * 2, twice, twice, None, Timing(), Timing())
    result = compare("churn", V1, V2, asked)

    assert (result.rows, result.distinct) == (1_000, 500)
    assert "1,000 rows (500 distinct) of the log" in diff_text(result, PLAIN)
    assert "(500 distinct)" in diff_page(result)
    wider = [{**row, "city": place} for place, row in enumerate(asked.rows)]
    assert compare("churn", V1, V2, replace(asked, new_rows=wider)).distinct == 1_000
    assert "distinct" not in diff_text(flipped(), PLAIN)
