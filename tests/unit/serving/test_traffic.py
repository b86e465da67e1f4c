"""The traffic document: what a version reads in it, when it reads it again, and which requests are a challenger's."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlsandbox_serving.contract import Traffic
from mlsandbox_serving.service.traffic import WHOLE, Challenger, TrafficFile, TrafficInvalid, place_of, read_challenger


def document(champion: str = "v1", **changed: Any) -> bytes:
    beside = {Traffic.VERSION: "v2", Traffic.ADDRESS: "127.0.0.1:7342", Traffic.PERCENT: 12.5, Traffic.SHADOW: False}
    return json.dumps({Traffic.CHAMPION: champion, Traffic.CHALLENGER: {**beside, **changed}}).encode()


def test_the_champion_has_a_challenger() -> None:
    """The champion must read its challenger, every other version none."""
    assert read_challenger(document(), "v1") == Challenger("v2", "127.0.0.1", 7342, 1_250, shadow=False)
    assert read_challenger(document(), "v2") is None
    assert read_challenger(document(), "v3") is None
    assert read_challenger(json.dumps({Traffic.CHAMPION: "v1", Traffic.CHALLENGER: None}).encode(), "v1") is None


def test_hosts_of_any_kind() -> None:
    """A name of a container and an address of version 6 must be taken."""
    named = read_challenger(document(address="api-v2:3000"), "v1")
    sixth = read_challenger(document(address="[::1]:3000"), "v1")

    assert named is not None
    assert sixth is not None
    assert [(each.host, each.port) for each in (named, sixth)] == [("api-v2", 3000), ("::1", 3000)]


def test_a_challenger_that_gets_nothing() -> None:
    """With a share of 0 there must be no challenger, unless it gets copies."""
    assert read_challenger(document(percent=0), "v1") is None
    copied = read_challenger(document(percent=0, shadow=True), "v1")
    assert copied is not None
    assert copied.shadow


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"champion": "v1"}',
        b"[" * 100_000,
        document(percent=100.1),
        document(percent=-1),
        document(percent="10"),
        document(shadow=1),
        document(address="127.0.0.1"),
        document(address=":80"),
        document(address="127.0.0.1:0"),
        document(address="127.0.0.1:65536"),
        document(address="127.0.0.1:http"),
        document(version="v1"),
    ],
)
def test_what_is_no_document(content: bytes) -> None:
    """What cannot be meant must be refused whole."""
    with pytest.raises(TrafficInvalid):
        read_challenger(content, "v1")


def test_the_contract_names_the_fields() -> None:
    """The document's keys must be those of the contract."""
    names = {value for name, value in vars(Traffic).items() if name.isupper()}
    assert names == set(msgspec.json.decode(document())) | set(msgspec.json.decode(document())["challenger"])


def replace(file: Path, content: bytes) -> None:
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(file)


def share(traffic: TrafficFile) -> int | None:
    """Of the challenger, where there is one."""
    return None if traffic.challenger is None else traffic.challenger.share


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """What is written while the service runs must be found at the next look, and what is the same be no change."""
    file = tmp_path / "traffic.json"
    traffic = TrafficFile(file, "v1")

    assert not traffic.look()
    assert share(traffic) is None
    replace(file, document())
    assert traffic.look()
    assert share(traffic) == 1_250
    assert not traffic.look()
    replace(file, document())
    assert not traffic.look()
    replace(file, document(percent=50))
    assert traffic.look()
    assert share(traffic) == 5_000
    file.unlink()
    assert traffic.look()
    assert share(traffic) is None


def test_a_broken_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be used must leave everything as it was, and be told once for each that is written."""
    file = tmp_path / "traffic.json"
    replace(file, document())
    traffic = TrafficFile(file, "v1")
    traffic.look()
    before = traffic.challenger

    with caplog.at_level(logging.ERROR):
        replace(file, b"{")
        assert not traffic.look()
        assert not traffic.look()
        replace(file, b" " * 70_000)
        assert not traffic.look()
        assert not traffic.look()

    assert traffic.challenger == before
    assert before is not None
    assert len(caplog.records) == 2
    replace(file, document(percent=50))
    assert traffic.look()


def test_a_folder_is_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be opened must be told of, and end nothing."""
    traffic = TrafficFile(tmp_path, "v1")

    assert not traffic.look()
    assert not traffic.look()
    assert len(caplog.records) == 1


def test_places_are_the_same_everywhere() -> None:
    """The place of an entity must never change: workers and versions of later releases have to agree on it."""
    assert [place_of("churn", name) for name in ("4711", "4712", "ü", "")] == [9489, 3204, 7037, 5917]


def test_a_larger_share_only_adds() -> None:
    """Whoever is a challenger's at a share must be its at every larger one, and each share have about its part of all."""
    places = [place_of("churn", f"customer-{number}") for number in range(20_000)]

    assert set(places) <= set(range(WHOLE))
    for percent in (1, 10, 50, 90):
        part = sum(place < percent * 100 for place in places) / len(places)
        assert abs(part - percent / 100) < 0.01
    assert all(place < WHOLE for place in places)


def test_models_have_places_of_their_own() -> None:
    """An entity that is a challenger's of one model must not be one of every model's for that."""
    first, second = ([place_of(model, f"{number}") < 5_000 for number in range(1_000)] for model in ("churn", "fraud"))

    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert 200 < both < 300
