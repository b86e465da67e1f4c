"""The list of processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlsandbox.supervise.spec import FrontSpec, HttpProbe, ListInvalid, Need, ProcessList, ProcessSpec, list_from_json, list_to_json

SPEC = ProcessSpec(
    name="api",
    argv=("python", "-m", "größe"),
    env={"A": "1"},
    cwd="/",
    log_path="/tmp/api.log",  # noqa: S108 - nothing is written
    ports={"api": 7310},
    readiness=HttpProbe("127.0.0.1", 7310, "/readyz"),
    needs={"shipper": Need.STARTED},
    memory_bytes=1,
)


def test_round_trip() -> None:
    """A list must be read as it was written."""
    processes = (SPEC, replace(SPEC, name="plain", readiness=None, needs={}, memory_bytes=None))
    listed = ProcessList(processes, (FrontSpec("api", "127.0.0.1", 7310, "api-v1"),))

    assert list_from_json(list_to_json(listed)) == listed


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 1, "processes": []}', '{"schema_version": 2, "processes": [{"name": "a"}], "fronts": []}']
)
def test_invalid_lists(text: str) -> None:
    """Anything but a list of this version must be refused in words, not with another error."""
    with pytest.raises(ListInvalid, match=r"^processes\.json: "):
        list_from_json(text)


def test_digest() -> None:
    """The digest must change with what runs, and not with the order of starting or with surroundings."""
    assert SPEC.digest() == replace(SPEC, needs={}).digest()
    assert SPEC.digest() == replace(SPEC, surroundings={"PATH": "/elsewhere"}).digest()
    assert SPEC.digest() != replace(SPEC, env={"A": "2"}).digest()
