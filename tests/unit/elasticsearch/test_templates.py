"""What an index is: every field of an event has its type, and no event can add one."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlsandbox.assets import asset
from mlsandbox.stack.components import elasticsearch as component
from mlsandbox.stack.components.base import StackInputs
from mlsandbox.stack.spec import Condition, Reach
from mlsandbox_serving.contract import Env, Field, Index
from mlsandbox_serving.elasticsearch import templates

ECS = {
    "@timestamp": "date",
    "ecs.version": "keyword",
    "error.code": "keyword",
    "error.message": "match_only_text",
    "error.stack_trace": "wildcard",
    "event.action": "keyword",
    "event.dataset": "keyword",
    "event.duration": "long",
    "event.id": "keyword",
    "event.kind": "keyword",
    "event.outcome": "keyword",
    "event.hash": "keyword",
    "event.sequence": "long",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "http.response.status_code": "long",
    "log.level": "keyword",
    "message": "match_only_text",
    "service.name": "keyword",
    "service.version": "keyword",
    "trace.id": "keyword",
    "url.path": "wildcard",
}
"""Field types of the Elastic Common Schema 9.0."""


def properties(template: dict[str, Any]) -> dict[str, Any]:
    return dict(template["template"]["mappings"]["properties"])


def test_every_field() -> None:
    """Every field of the contract must have a mapping, and no other one."""
    fields = {value for name, value in vars(Field).items() if name.isupper()}

    assert fields == set(properties(templates.event_template()))


def test_ecs_types() -> None:
    """Fields of the Elastic Common Schema must have its types."""
    found = properties(templates.event_template())

    assert {name: definition["type"] for name, definition in found.items() if not name.startswith("sandbox.")} == ECS


@pytest.mark.parametrize("template", [templates.event_template(), templates.dead_letter_template()])
def test_no_new_fields(template: dict[str, Any]) -> None:
    """A field that is not known must be kept without becoming a part of the mapping."""
    assert template["template"]["mappings"]["dynamic"] is False


def test_inputs_are_one_field() -> None:
    """However many columns a model has, they must be one field; predictions may be of any shape."""
    found = properties(templates.event_template())

    assert found[Field.INPUTS]["type"] == "flattened"
    assert found[Field.PREDICTIONS] == found[Field.PROBABILITIES] == {"type": "object", "enabled": False}


@pytest.mark.parametrize("template", [templates.event_template(), templates.dead_letter_template()])
def test_one_node(template: dict[str, Any]) -> None:
    """Indices must be whole on one node, be searchable at once, win over other templates, and be deleted by the policy."""
    index = template["template"]["settings"]["index"]

    assert (index["number_of_shards"], index["number_of_replicas"], index["refresh_interval"]) == (1, 0, "1s")
    assert index["lifecycle"]["name"] == Index.EVENTS
    assert template["priority"] > 200


def test_patterns_are_apart() -> None:
    """No index may match both templates."""
    (events,), (letters,) = templates.event_template()["index_patterns"], templates.dead_letter_template()["index_patterns"]

    assert (events, letters) == ("sandbox-events-*", "sandbox-dead-letter-*")


def test_nothing_in_a_dead_letter_is_refused() -> None:
    """Dead letters must have no type that can refuse a value."""
    for definition in properties(templates.dead_letter_template()).values():
        harmless = definition["type"] in {"match_only_text", "object"} or definition.get("ignore_malformed") or "ignore_above" in definition
        assert harmless, definition


def test_retention() -> None:
    """An index must be deleted when the last event of its day is past the retention, not before."""
    phases = templates.policy(3_600)["policy"]["phases"]

    assert phases["delete"] == {"min_age": "90000s", "actions": {"delete": {}}}


def test_service() -> None:
    """Elasticsearch has no password: it must be reachable from inside the stack alone."""
    server, setup = component.ELASTICSEARCH.services(StackInputs("p", "127.0.0.1", (), {}, frozenset(), log_retention_seconds=60), ())

    assert {port.reach for port in server.ports} == {Reach.STACK}
    assert setup.runs_once
    assert setup.needs == {server.name: Condition.READY}
    assert setup.env[Env.LOG_RETENTION_SECONDS] == "60"


@pytest.mark.parametrize("template", [templates.event_template(), templates.dead_letter_template()])
def test_no_index_without_its_template(template: dict[str, Any]) -> None:
    """What is written before the templates are there must make no index: its types would be guessed, and it would never be deleted."""
    settings = yaml.safe_load(asset("compose/elasticsearch/elasticsearch.yml"))

    assert settings["action.auto_create_index"] is False
    assert template["allow_auto_create"] is True


def test_events_before_the_templates_are_kept() -> None:
    """Fluentd must keep what Elasticsearch has no index for, instead of taking it for a bad document."""
    assert '"index_not_found_exception"' in asset("fluentd/elasticsearch.conf").split("unrecoverable_error_types")[1]


def test_settings() -> None:
    """One node, nothing downloaded, bounds by free space, and no kernel setting needed."""
    settings = yaml.safe_load(asset("compose/elasticsearch/elasticsearch.yml"))

    assert settings["discovery.type"] == "single-node"
    assert settings["node.store.allow_mmap"] is False
    assert settings["ingest.geoip.downloader.enabled"] is False
    assert {value[-2:] for name, value in settings.items() if ".watermark." in name} == {"gb", "mb"}
