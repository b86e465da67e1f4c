"""What is said of a program that packages and finds no room."""

from __future__ import annotations

import pytest

from mlsandbox.actions.materials import full_disk
from mlsandbox.errors import PackagingFailed

TRACED = """exit code 1
Traceback (most recent call last):
  File "store.py", line 41, in save_profile
    with beside(folder).open("wb") as file:
"""


@pytest.mark.parametrize(
    "last",
    [
        "OSError: [Errno 28] No space left on device",
        "shutil.Error: [('/a', '/b', \"[Errno 28] No space left on device: '/a' -> '/b'\")]",
        "error: failed to write to `/c`: No space left on device (os error 28)",
        f"shutil.Error: [{', '.join(['No space left on device'] * 99)}]",
    ],
    ids=["python", "copies", "uv", "long"],
)
def test_a_full_disk_must_be_told_as_one(last: str) -> None:
    """The line that says it must be all that is shown of the program's output, and what to do be said."""
    error = full_disk(PackagingFailed("the package of churn could not be built", why=f"{TRACED}{last}\n", fix="see the whole output"))

    assert error is not None
    assert error.what == "the package of churn could not be built: the disk is full"
    assert last.startswith(error.why.removesuffix(" …"))
    assert len(error.why) < 310
    assert "sandbox doctor" in error.fix


def test_another_failure_must_stay_what_it_is() -> None:
    """A program that failed for something else must not be told as a full disk."""
    assert full_disk(PackagingFailed("the package of churn could not be built", why=f"{TRACED}OSError: [Errno 5]", fix="look")) is None
