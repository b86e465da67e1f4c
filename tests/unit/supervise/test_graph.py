"""Order of starting."""

from __future__ import annotations

import pytest

from mlsandbox.supervise.graph import GraphInvalid, start_levels


def test_levels() -> None:
    """Each name must come after all that it needs, as early as it can."""
    needs = {"api": ["shipper"], "shipper": ["log-store"], "log-store": [], "grafana": ["log-store"]}

    assert start_levels(needs) == (("log-store",), ("grafana", "shipper"), ("api",))


def test_circle() -> None:
    """A circle must be spelled out."""
    with pytest.raises(GraphInvalid, match=r"in a circle: (a -> b -> a|b -> a -> b)"):
        start_levels({"a": ["b"], "b": ["a"]})


def test_unknown_name() -> None:
    """A need that nothing meets must be named, with who has it."""
    with pytest.raises(GraphInvalid, match="api needs nothing-like-it, which is not in the list"):
        start_levels({"api": ["nothing-like-it"]})
