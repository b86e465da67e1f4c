"""A service that cannot start: the command ends soon, and shows what the service wrote."""

from __future__ import annotations

from support.broken_package import break_module
from support.sandbox import Sandbox


def test_a_service_that_cannot_start_must_end_up_at_once_and_show_its_last_lines(saved: Sandbox) -> None:
    """A worker that fails at import must end `up` without waiting for the deadline, with the failure's own lines and nothing left."""
    break_module(saved.root / ".sandbox" / "bentoml" / "bentos" / "churn" / "v1", "golden.py")

    result = saved.run("up", timeout=60)

    assert result.code == 1
    assert "broken on purpose" in result.err
    assert "golden.py" in result.err
    saved.gone()
