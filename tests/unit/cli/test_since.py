"""A time that a flag gives as so long ago."""

from __future__ import annotations

import pytest

from mlsandbox.cli.since import moment_of
from mlsandbox.errors import UsageError


def test_a_moment_long_ago_is_one_that_stores_have() -> None:
    """However long ago, it must not be before 1970; none must stay none."""
    hour, two = moment_of("1h", example=""), moment_of("2h", example="")

    assert hour is not None
    assert two is not None
    assert hour > two > 0
    assert moment_of("99999999d", example="") == 0
    assert moment_of(None, example="") is None


def test_what_is_no_duration_is_told() -> None:
    """The error must say how it is written."""
    with pytest.raises(UsageError, match="--since must be a duration") as refused:
        moment_of("yesterday", example="sandbox logs --since 10m")

    assert refused.value.fix == "sandbox logs --since 10m"
