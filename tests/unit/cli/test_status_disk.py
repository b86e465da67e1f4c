"""What `sandbox status` says of the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.status import disk_warnings

SHOP = Path("/srv/shop")


@pytest.mark.parametrize(("free", "left"), [(0, "(0 kB are left)"), (48_000, "(48 kB are left)")])
def test_a_full_disk_must_be_told(free: int, left: str) -> None:
    """Where nothing can be written down, services that were well must not be told as well without saying that this may be old."""
    (warning,) = disk_warnings(SHOP, free)

    assert f"the disk of /srv/shop is full {left}" in warning
    assert "may be lost" in warning
    assert "sandbox doctor" in warning


def test_a_disk_with_room_must_not_be_told() -> None:
    """With room for what is written all the time nothing must be said."""
    assert disk_warnings(SHOP, 1_000_000) == ()
