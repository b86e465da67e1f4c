"""Real data: a census of Massachusetts, 2015 as the reference, 2016 to 2018 as what came after; see examples/employment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlsandbox_serving.drift import Kind, Monitor, build_profile
from support.repository import ROOT

_DATA = ROOT / "examples" / "employment" / "data"
_COLUMNS = ["AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P"]


def _columns(frame: Any) -> dict[str, list[Any]]:
    return {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in _COLUMNS}


@pytest.fixture(scope="module")
def reference() -> Any:
    """Everybody of 2015."""
    return pd.read_parquet(_DATA / "employment_MA_reference.parquet", columns=_COLUMNS)


def test_the_rest_of_the_same_year_is_silent(reference: Any) -> None:
    """A profile of some people of 2015 must find nothing in the others, in any order."""
    shuffled = reference.sample(frac=1.0, random_state=0)
    profile = build_profile(_columns(shuffled[:40_000]))
    monitor = Monitor(profile)
    monitor.update(_columns(shuffled[40_000:]))

    assert profile.self_check.stationary
    assert monitor.rows == 28_785
    assert monitor.alarms == 0


def test_the_top_code_of_age_is_found_and_named(reference: Any) -> None:
    """From 2017 on ages end at 95 and no longer at 94, in 0.75% of rows: must be found and named within 2,000 rows of that year."""
    stream = pd.read_parquet(_DATA / "employment_MA_stream.parquet", columns=[*_COLUMNS, "year"])
    begin = int(np.argmax(stream["year"].to_numpy() == 2017))
    monitor = Monitor(build_profile(_columns(reference)))
    monitor.update(_columns(stream[begin - 10_000 : begin]))
    assert not monitor.verdict().of(Kind.OUTLIERS).certain
    monitor.update(_columns(stream[begin : begin + 2_000]))
    found = monitor.verdict().of(Kind.OUTLIERS)

    assert found.certain
    assert not found.page
    assert found.worst[0].column == "AGEP"
    assert found.worst[0].explanation.startswith("95 is above the reference maximum 94: 0.")
    assert found.worst[0].explanation.endswith("% of rows, reference 0.0%")
