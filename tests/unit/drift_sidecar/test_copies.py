"""Copies of the references of what is served: what a version is compared with once another one is served in its place."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import Any

import pytest

from mlsandbox_serving.drift_sidecar import watches as module
from mlsandbox_serving.drift_sidecar.baseline import Baseline
from support.watched import CHURN, NEXT, Place, asked, said_of, take


def test_a_version_that_is_not_served_any_more_keeps_its_reference(place: Place) -> None:
    """After a new version its predecessor's last events must be compared with what it was trained on, and soon nothing be told of it."""
    watches = place.open()
    take(watches, asked(100))
    watches.close()
    shutil.rmtree(place.folder / "given")
    del place.profiles[CHURN]
    place.reference(NEXT)

    again = place.open()
    take(again, asked(50, seed=2))
    assert said_of(again).verdict.reference_rows == 6_000
    assert said_of(again).verdict.rows == sum(1 + number % 7 for number in [*range(100), *range(50)])
    assert (again.is_current(CHURN), again.is_current(NEXT)) == (True, True)
    place.clock.now += module.CURRENT_SECONDS + 1
    assert again.sources() == [NEXT, CHURN]
    assert (again.is_current(CHURN), again.is_current(NEXT)) == (False, True)
    again.close()


def test_copies_of_profiles_go_with_their_versions(place: Place) -> None:
    """Of a version that is not served any more and never sent an event nothing must be left."""
    place.open().close()
    copies = place.folder / "state" / "profiles"
    assert len(list(copies.iterdir())) == 1
    place.profiles.clear()

    again = place.open()
    assert again.sources() == []
    assert list(copies.iterdir()) == []
    again.close()


def _replaced(place: Place) -> Any:
    """What is said of the version once the next one is served in its place, and one more of its events came."""
    shutil.rmtree(place.folder / "given", ignore_errors=True)
    place.profiles.clear()
    place.reference(NEXT)
    watches = place.open()
    take(watches, asked(1, seed=9))
    said = said_of(watches)
    watches.close()
    return said


def test_a_version_that_is_not_served_any_more_keeps_its_baseline(place: Place) -> None:
    """What its rows are compared with must be called a baseline also when the version was replaced."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    take(watches, asked(100))
    watches.close()

    assert _replaced(place).baseline == Baseline("2026-11-26T12:00:00Z", "logs")


def test_a_baseline_that_was_reset_is_not_come_back_to(place: Place) -> None:
    """Later the version must be compared with the package's own reference, and that be told."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    take(watches, asked(100))
    watches.close()
    (place.profiles[CHURN] / "baseline.json").unlink()
    place.open().close()

    assert _replaced(place).baseline is None


@pytest.mark.parametrize("damaged", [False, True])
def test_a_reference_that_is_gone_is_not_come_back_to(place: Place, damaged: bool) -> None:  # noqa: FBT001 - a case
    """When a version goes on without a profile, what it was compared with before must not return once it is replaced."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    take(watches, asked(100))
    watches.close()
    if damaged:
        (place.profiles[CHURN] / "profile.npz").write_bytes(b"damaged")
    else:
        shutil.rmtree(place.profiles[CHURN])
    watches = place.open()
    take(watches, asked(100, seed=2))
    watches.close()

    said = _replaced(place)
    assert (said.baseline, said.verdict.learning > 0, said.verdict.rows) == (None, True, 0)


def _digest(place: Place) -> str:
    return hashlib.sha256((place.profiles[CHURN] / "profile.json").read_bytes()).hexdigest()


def _describe(place: Place, **facts: Any) -> None:
    """Put what is known of a baseline beside the profile."""
    document = {"created": "2026-11-26T12:00:00Z", "source": "logs", **facts}
    (place.profiles[CHURN] / "baseline.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_baseline_is_told_from_a_packaged_reference(place: Place) -> None:
    """What stands beside the profile of a baseline must be told."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()

    assert said_of(watches).baseline == Baseline("2026-11-26T12:00:00Z", "logs")
    assert said_of(watches).verdict.reference_source == "given"
    watches.close()


@pytest.mark.parametrize("facts", [{}, {"files": {"profile.json": "0" * 64}}, {"files": []}])
def test_what_a_former_baseline_left_is_none(place: Place, facts: dict[str, Any]) -> None:
    """What is of another profile, or cannot be read, must not be told, and keep nothing from being compared."""
    _describe(place, **facts)
    watches = place.open()

    assert (said_of(watches).baseline, said_of(watches).verdict.reference_source) == (None, "given")
    watches.close()


def test_a_baseline_that_cannot_be_used_is_none(place: Place) -> None:
    """When the first live rows become the reference they must not be called a baseline."""
    _describe(place, files={"profile.json": _digest(place)})
    (place.profiles[CHURN] / "profile.npz").write_bytes(b"damaged")
    watches = place.open()

    assert (said_of(watches).baseline, said_of(watches).problem is None) == (None, False)
    watches.close()
