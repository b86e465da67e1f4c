"""What an index of events and one of dead letters is (pure).

Field types are those of the Elastic Common Schema (https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html).
New fields are kept but not indexed: no client can make a mapping grow.
"""

from __future__ import annotations

from typing import Any, Final

from mlsandbox_serving.contract import Field, Index

PRIORITY: Final = 500
"""Above 100 and 200, which Elasticsearch's and Fleet's own templates have."""

_VERSION: Final = 3
_DAY_SECONDS: Final = 86_400
_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}  # as ECS; what is longer is kept, and not found
_TEXT: Final = {"type": "match_only_text"}
_LONG: Final = {"type": "long"}
_KEPT: Final = {"type": "object", "enabled": False}  # any JSON: predictions are numbers, words or lists, as the model makes them

FIELDS: Final[dict[str, dict[str, Any]]] = {
    Field.TIMESTAMP: {"type": "date"},
    Field.ECS_VERSION: _KEYWORD,
    Field.EVENT_ID: _KEYWORD,
    Field.EVENT_KIND: _KEYWORD,
    Field.EVENT_ACTION: _KEYWORD,
    Field.EVENT_DATASET: _KEYWORD,
    Field.EVENT_OUTCOME: _KEYWORD,
    Field.EVENT_DURATION: _LONG,
    Field.EVENT_HASH: _KEYWORD,
    Field.EVENT_SEQUENCE: _LONG,
    Field.SERVICE_NAME: _KEYWORD,
    Field.SERVICE_VERSION: _KEYWORD,
    Field.REQUEST_ID: _KEYWORD,
    Field.METHOD: _KEYWORD,
    Field.STATUS: _LONG,
    Field.PATH: {"type": "wildcard"},
    Field.LEVEL: _KEYWORD,
    Field.MESSAGE: _TEXT,
    Field.TRACE_ID: _KEYWORD,
    Field.ERROR_CODE: _KEYWORD,
    Field.ERROR_MESSAGE: _TEXT,
    Field.ERROR_STACK: {"type": "wildcard", "fields": {"text": _TEXT}},
    Field.MODEL: _KEYWORD,
    Field.VERSION: _KEYWORD,
    Field.DIGEST: _KEYWORD,
    Field.ORIGIN: _KEYWORD,
    Field.ROWS: _LONG,
    Field.INPUTS: {"type": "flattened", "ignore_above": 1024},  # one field, however many columns
    Field.PREDICTIONS: _KEPT,
    Field.PROBABILITIES: _KEPT,
    Field.CLASSES: _KEPT,
    Field.TRUNCATED: {"type": "boolean"},
    Field.FEEDBACK_ROW: _LONG,
    Field.FEEDBACK_LABEL: _KEYWORD,  # words and numbers alike
    Field.DRIFT_KIND: _KEYWORD,
    Field.DRIFT_ENGINE: _KEYWORD,
    Field.DRIFT_SEVERITY: _KEYWORD,
    Field.DRIFT_CERTAIN: {"type": "boolean"},
    Field.DRIFT_PAGE: {"type": "boolean"},
    Field.DRIFT_SINCE: _LONG,
    Field.DRIFT_ROWS_SINCE: _LONG,
    Field.DRIFT_COLUMNS: _KEYWORD,
    Field.DRIFT_FINDINGS: _KEPT,
    Field.DRIFT_PREDICTION: _KEYWORD,
    Field.DRIFT_FLAGGED: _LONG,
    Field.DRIFT_FLAGS: _KEPT,
}

_LETTER_FIELDS: Final[dict[str, dict[str, Any]]] = {
    Field.TIMESTAMP: {"type": "date", "ignore_malformed": True},
    Field.EVENT_ID: _KEYWORD,
    Field.EVENT_KIND: _KEYWORD,
    Field.EVENT_DATASET: _KEYWORD,
    Field.MESSAGE: _TEXT,
    "sandbox.dead_letter.tag": _KEYWORD,
    "sandbox.dead_letter.time": {"type": "date", "ignore_malformed": True},
    "sandbox.dead_letter.document": _KEPT,
}


def policy(retention_seconds: float) -> dict[str, Any]:
    """Deletes an index when its youngest event is past the retention: a day after its oldest one may be, since it holds a day."""
    age = f"{int(retention_seconds) + _DAY_SECONDS}s"
    return {"policy": {"phases": {"hot": {"min_age": "0ms", "actions": {}}, "delete": {"min_age": age, "actions": {"delete": {}}}}}}


def event_template() -> dict[str, Any]:
    """The index template of events."""
    return _template(Index.EVENTS, FIELDS)


def dead_letter_template() -> dict[str, Any]:
    """The index template of what Elasticsearch refused: nothing in it can be refused again."""
    return _template(Index.DEAD_LETTER, _LETTER_FIELDS)


def _template(name: str, fields: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "index_patterns": [f"{name}-*"],
        "priority": PRIORITY,
        "version": _VERSION,
        "allow_auto_create": True,  # elasticsearch.yml forbids it to all others: before this template is there, no index is made
        "template": {
            "settings": {
                "index": {
                    "number_of_shards": 1,
                    "number_of_replicas": 0,  # one node
                    "refresh_interval": "1s",  # said explicitly, it holds for indices that nobody has searched for a while, too
                    # Its age counts from the day in its name, so that what arrives late is not kept longer.
                    "lifecycle": {"name": Index.EVENTS, "parse_origination_date": True},
                }
            },
            "mappings": {"dynamic": False, "properties": fields},
        },
    }
