"""Whether the process of a proof is gone: only when that is certain."""

from __future__ import annotations

import pytest

from mlsandbox.actions.prove_holder import is_gone, this_process

HOLDER = this_process()
BOOT, COUNTED, PID, BEGAN = HOLDER.split("/") if HOLDER else ("", "", "", "")

pytestmark = pytest.mark.skipif(not HOLDER, reason="this kernel does not say which process is which")


def test_this_one_is_there() -> None:
    """A process must know itself."""
    assert not is_gone(HOLDER)


@pytest.mark.parametrize(
    "holder", [f"{BOOT}/{COUNTED}/{PID}/{int(BEGAN or 0) + 1}", f"{BOOT}/{COUNTED}/4194305/{BEGAN}", f"{BOOT}/{COUNTED}/{'9' * 30}/1"]
)
def test_gone(holder: str) -> None:
    """A number that no process has, or that another one has by now, must be that of one that is gone."""
    assert is_gone(holder)


@pytest.mark.parametrize(
    "holder",
    [
        *(f"another/{COUNTED}/4194305/1", f"{BOOT}/1/4194305/1", "host/4194305", "4194305"),
        *(
            "",
            "/",
            "///",
            f"{BOOT}/{COUNTED}",
            f"{BOOT}/{COUNTED}//",
            f"{BOOT}/{COUNTED}/x/1",
            f"{BOOT}/{COUNTED}/-1/1",
            f"{BOOT}/{COUNTED}/½/1",
        ),
    ],
)
def test_nobody_knows(holder: str) -> None:
    """Processes of other machines and containers, and what cannot be read, must never be taken for gone."""
    assert not is_gone(holder)
