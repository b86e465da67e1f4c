"""`_bulk`: many writes in one request, each with an answer of its own."""

from __future__ import annotations

import json
import time
from typing import Any

from elasticsearch_standin.documents import Document
from elasticsearch_standin.failures import Refusal, bad_argument
from elasticsearch_standin.mapping import Json, merged
from elasticsearch_standin.statistics import Counters
from elasticsearch_standin.store import Store

_ACTIONS = {"index", "create", "update", "delete"}


def bulk(store: Store, counters: Counters, raw: bytes, index: str | None) -> Json:
    """Carry out all actions; one that is refused hinders no other.

    Raises:
        Refusal: the request itself is malformed; nothing of it is stored.
    """
    started = time.monotonic()
    if not raw.endswith(b"\n"):
        raise bad_argument("The bulk request must be terminated by a newline [\\n]")
    actions = _actions([line for line in raw.split(b"\n") if line.strip()], index)
    items = []
    with store.transaction():
        for action, meta, source in actions:
            try:
                item = _one(store, action, meta, source)
                counters.indexed += action in {"index", "create", "update"}
                counters.deleted += action == "delete"
            except Refusal as refusal:
                item = {"_index": meta["_index"], "_id": meta.get("_id"), "status": refusal.status, "error": refusal.body()}
                counters.failed += 1
            items.append({action: item})
    took = time.monotonic() - started
    counters.index_seconds += took
    return {"errors": any("error" in next(iter(item.values())) for item in items), "took": int(took * 1000), "items": items}


def written(document: Document, result: str) -> Json:
    """The answer to one write, its HTTP status in `status`."""
    return {
        "_index": document.index,
        "_id": document.id,
        "_version": document.version,
        "result": result,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": document.seq,
        "_primary_term": 1,
        "status": 201 if result == "created" else 200,
    }


def _actions(lines: list[bytes], index: str | None) -> list[tuple[str, Json, Any]]:
    actions = []
    rest = iter(lines)
    for number, line in enumerate(rest, 1):
        head = _parsed(line, number)
        if not isinstance(head, dict) or len(head) != 1 or next(iter(head)) not in _ACTIONS:
            raise bad_argument(f"Malformed action/metadata line [{number}], expected one of {sorted(_ACTIONS)}")
        ((action, given),) = head.items()
        unknown = set(given) - {"_index", "_id", "routing", "retry_on_conflict", "require_alias", "op_type"}
        if unknown:
            raise bad_argument(f"Action/metadata line [{number}] contains an unknown parameter [{min(unknown)}]")
        meta = {"_index": index, **given}
        if not meta["_index"]:
            raise Refusal(400, "action_request_validation_exception", "Validation Failed: 1: index is missing;")
        source = None
        if action != "delete":
            body = next(rest, None)
            if body is None:
                raise bad_argument("The bulk request has an action without a document")
            source = body
        actions.append((action, meta, source))
    return actions


def _one(store: Store, action: str, meta: Json, raw: bytes | None) -> Json:
    name, doc_id = meta["_index"], meta.get("_id")
    if action == "delete":
        old = store.delete(name, doc_id or "")
        result = "deleted" if old else "not_found"
        return {"_index": name, "_id": doc_id, "_version": old.version + 1 if old else 1, "result": result, "status": 200 if old else 404}
    try:
        source = json.loads(raw or b"")
    except ValueError as error:
        raise Refusal(400, "document_parsing_exception", f"[1:1] failed to parse: {error}") from error
    if action == "update":
        there = store.get(name, doc_id or "")
        if there is None and not source.get("doc_as_upsert"):
            raise Refusal(404, "document_missing_exception", f"[{doc_id}]: document missing")
        source = merged(there.source, source["doc"]) if there else source["doc"]
    document = store.write(name, doc_id, source, create=action == "create")
    return written(document, "created" if document.version == 1 else "updated")


def _parsed(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise bad_argument(f"Malformed action/metadata line [{number}]: {error}") from error
