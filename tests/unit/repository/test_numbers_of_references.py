"""Numbers of references and baselines that people read."""

from __future__ import annotations

import pytest

from mlsandbox.actions.drift_baseline import MOST_EVENTS
from mlsandbox_serving.contract import ProfileFile
from support.repository import ROOT

TOLD = {
    "docs/drift.md": (
        f"the newest {MOST_EVENTS:,} requests, {ProfileFile.MOST_ROWS:,} rows at most",
        f"| more than {ProfileFile.MOST_ROWS:,} rows, or {ProfileFile.MOST_CELLS:,} values",
        f"| fewer than {ProfileFile.FEWEST_ROWS} |",
        f"A baseline needs {ProfileFile.FEWEST_ROWS} rows.",
        f"values of up to {ProfileFile.SAMPLE_ROWS:,} of its rows",
    ),
    "docs/cli.md": (f"baseline set: the newest {MOST_EVENTS:,} logged requests.",),
    "docs/adr/0016-reference-profile.md": (
        f"at most {ProfileFile.SAMPLE_ROWS:,} rows as numbers",
        f"more than {ProfileFile.MOST_ROWS:,} rows, or {ProfileFile.MOST_CELLS:,} values",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_they_are_those_of_the_code(name: str) -> None:
    """A number must not change in the code alone."""
    text = (ROOT / name).read_text(encoding="utf-8")

    assert [told for told in TOLD[name] if told not in text] == []
