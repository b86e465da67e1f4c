"""The event of a request that proves is looked for where the cluster's Fluentd would have brought it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from mlsandbox.actions.prove import Step
from mlsandbox.actions.prove_answers import prove_answers
from mlsandbox_serving.contract import Field
from support.elasticsearch_programs import set_up, store
from support.kubernetes import Server, serving
from support.proved import GROUPS, NAME, Place
from support.standins import elasticsearch

Pointed = Callable[[Server], None]
_IMAGES = tuple(f"{key}=registry.example.com/team/{key}:v1@sha256:{'a' * 64}" for key in (NAME, "drift", "fluentd", "log-store"))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An Elasticsearch with our indices."""
    server = elasticsearch(tmp_path / "elasticsearch").start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        assert set_up(url)[0] == 0
        yield url
    finally:
        server.stop()


class Bringing:
    """Brings events of a service to Elasticsearch, as Fluentd does, changed by the test."""

    def __init__(self, place: Place, url: str, change: Callable[[dict[str, Any]], object]) -> None:
        self._service, self._url, self._change = place.service, url, change
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._bring)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _bring(self) -> None:
        brought: set[str] = set()
        with Elasticsearch(self._url) as client:
            while not self._ended.wait(0.1):
                fresh = [event for event in self._service.events() if event[Field.EVENT_ID] not in brought]
                brought |= {event[Field.EVENT_ID] for event in fresh}
                for event in fresh:
                    self._change(event)
                if fresh:
                    store(client, fresh)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (dict[str, Any].copy, []),
        (lambda event: event.update({"sandbox.new": 1}), ["not of the contract: sandbox.new"]),
        (lambda event: event.pop(Field.DIGEST), [f"missing: {Field.DIGEST}"]),
    ],
    ids=["as-here", "one-more", "one-less"],
)
def test_the_event_of_a_request_must_have_the_fields_of_the_contract(
    place: Place, pointed: Pointed, tmp_path: Path, url: str, *, change: Callable[[dict[str, Any]], object], found: list[str]
) -> None:
    services = {NAME: place.url, "elasticsearch": url}
    with serving(tmp_path, groups=GROUPS, nodes=1, services=services) as server, Bringing(place, url, change):
        pointed(server)
        result = place.proved(images=_IMAGES)

    assert [each.step for each in result.findings] == [Step.EVENTS] * len(found)
    assert [each.message.partition(": ")[2] for each in result.findings] == found
    assert (result.models[0].event_fields or 0) > 15


def test_an_event_that_does_not_come_must_be_found(
    place: Place, pointed: Pointed, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{prove_answers.__module__}._EVENT_SECONDS", 2.0)
    with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url, "elasticsearch": url}) as server:
        pointed(server)
        (finding,) = place.proved(images=_IMAGES).findings

    assert finding.step is Step.EVENTS
    assert "is not in Elasticsearch after 2 s" in finding.message
