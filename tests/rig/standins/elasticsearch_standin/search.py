"""`_search`: which documents, in which order, how many, and what of each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cmp_to_key
from typing import Any

from elasticsearch_standin import field_types
from elasticsearch_standin.documents import Document
from elasticsearch_standin.failures import Refusal, bad_argument, parsing
from elasticsearch_standin.mapping import Json
from elasticsearch_standin.query import predicate

_KNOWN = {"query", "sort", "size", "from", "search_after", "_source", "track_total_hits", "timeout", "version", "seq_no_primary_term"}
_WINDOW = 10_000


def found(documents: Iterable[Document], query: Any) -> list[Document]:
    """The documents that a query finds; all without a query."""
    wanted = predicate(query if query is not None else {"match_all": {}})
    return [document for document in documents if wanted(document)]


def search(documents: Iterable[Document], fields: list[dict[str, Json]], request: Json, *, shards: int) -> Json:
    """The answer to one search.

    Args:
        documents: all of the indices that are searched.
        fields: of each of these indices, to refuse an order that it cannot have.
        request: the body, with what the address said merged into it.
        shards: how many indices there are.
    """
    started = time.monotonic()
    unknown = set(request) - _KNOWN
    if unknown:
        raise parsing(f"unknown key [{min(unknown)}] in a search (or one that this stand-in does not know)")
    size, start = int(request.get("size", 10)), int(request.get("from", 0))
    if size + start > _WINDOW:
        reason = f"Result window is too large, from + size must be less than or equal to: [{_WINDOW}] but was [{size + start}]"
        raise Refusal(400, "search_phase_execution_exception", "all shards failed", cause=("illegal_argument_exception", reason))
    order = _order(request.get("sort", []))
    for index in fields:
        _check_order(order, index)
    hits = found(documents, request.get("query"))
    total = len(hits)
    keyed: list[tuple[list[Any], Document]] = [(_keys(document, order), document) for document in hits]

    def compare(first: tuple[list[Any], Document], second: tuple[list[Any], Document]) -> int:
        return _compare(first[0], second[0], order) or first[1].seq - second[1].seq

    keyed.sort(key=cmp_to_key(compare))
    if "search_after" in request:
        keyed = _after(keyed, request["search_after"], order)
    page = keyed[start : start + size]
    return {
        "took": int((time.monotonic() - started) * 1000),
        "timed_out": False,
        "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0},
        "hits": {
            **_total(total, request.get("track_total_hits", _WINDOW)),
            "max_score": None if order or not page else 1.0,
            "hits": [_hit(document, keys if order else None, request) for keys, document in page],
        },
    }


def _total(total: int, tracked: Any) -> Json:
    if tracked is False:
        return {}
    most = total if tracked is True else int(tracked)
    return {"total": {"value": min(total, most), "relation": "gte" if total > most else "eq"}}


def _order(given: Any) -> list[tuple[str, Json]]:
    order: list[tuple[str, Json]] = []
    for entry in given if isinstance(given, list) else [given]:
        one = {entry: {}} if isinstance(entry, str) and ":" not in entry else entry
        if isinstance(one, str):
            field, _, way = one.partition(":")
            one = {field: {"order": way}}
        for field, how in one.items():
            options = {"order": how} if isinstance(how, str) else dict(how)
            order.append((field, {"order": "desc" if field == "_score" else "asc", **options}))
    return order


def _check_order(order: list[tuple[str, Json]], fields: dict[str, Json]) -> None:
    for field, options in order:
        if field.startswith("_"):
            continue
        parts = field.split(".")
        inside = any(fields.get(".".join(parts[:length]), {}).get("type") == "flattened" for length in range(1, len(parts)))
        definition = fields.get(field, {"type": "flattened"} if inside else None)
        if definition is None and "unmapped_type" not in options:
            raise Refusal(400, "query_shard_exception", f"No mapping found for [{field}] in order to sort on")
        if definition is not None and definition["type"] in field_types.TEXTS:
            reason = f"Fielddata is disabled on [{field}]. Please use a keyword field instead."
            raise Refusal(400, "search_phase_execution_exception", "all shards failed", cause=("illegal_argument_exception", reason))


def _keys(document: Document, order: list[tuple[str, Json]]) -> list[Any]:
    keys: list[Any] = []
    for field, options in order:
        special: dict[str, list[Any]] = {"_doc": [document.seq], "_shard_doc": [document.seq], "_score": [1.0]}
        values = special.get(field) or document.values(field)
        descending = options["order"] == "desc"
        definition = document.definition(field) or {}
        key = (max(values) if descending else min(values)) if values else None
        if isinstance(key, float) and key.is_integer() and definition.get("type") in {"date", "long", "integer", "short", "byte"}:
            key = int(key)
        keys.append(key)
    return keys


def _compare(first: list[Any], second: list[Any], order: list[tuple[str, Json]]) -> int:
    for a, b, (_field, options) in zip(first, second, order, strict=True):
        if a == b:
            continue
        if a is None or b is None:  # missing values come last, in either direction
            last = 1 if options.get("missing", "_last") == "_last" else -1
            return last if a is None else -last
        return (1 if a > b else -1) * (-1 if options["order"] == "desc" else 1)
    return 0


def _after(keyed: list[tuple[list[Any], Document]], after: Any, order: list[tuple[str, Json]]) -> list[tuple[list[Any], Document]]:
    if not order:
        raise bad_argument("Sort must contain at least one field.")
    if not isinstance(after, list) or len(after) != len(order):
        raise bad_argument(f"search_after has {len(after)} value(s) but sort has {len(order)}.")
    rest = []
    for keys, document in keyed:
        last = [_like(document, field, value) for (field, _options), value in zip(order, after, strict=True)]
        if _compare(keys, last, order) > 0:
            rest.append((keys, document))
    return rest


def _like(document: Document, field: str, value: Any) -> Any:
    definition = document.definition(field)
    return value if definition is None or value is None or field.startswith("_") else field_types.comparable(definition, value)


def _hit(document: Document, keys: list[Any] | None, request: Json) -> Json:
    hit: Json = {"_index": document.index, "_id": document.id, "_score": None if keys else 1.0}
    source = shown(document.source, request.get("_source", True))
    if source is not None:
        hit["_source"] = source
    if request.get("version"):
        hit["_version"] = document.version
    if request.get("seq_no_primary_term"):
        hit |= {"_seq_no": document.seq, "_primary_term": 1}
    return hit if keys is None else {**hit, "sort": keys}


def shown(source: Json, wanted: Any) -> Json | None:
    """What a `_source` filter leaves of a document; None when it wants nothing."""
    if wanted in (True, False, "true", "false"):
        return source if wanted in (True, "true") else None
    rule = wanted if isinstance(wanted, dict) else {"includes": wanted}
    includes, excludes = (_listed(rule.get(key, rule.get(key[:-1], []))) for key in ("includes", "excludes"))
    return {key: value for key, value in source.items() if _named(key, includes, default=True) and not _named(key, excludes, default=False)}


def _listed(names: Any) -> list[str]:
    return names.split(",") if isinstance(names, str) else list(names)


def _named(key: str, patterns: list[str], *, default: bool) -> bool:
    return any(fnmatchcase(key, pattern) or key.startswith(f"{pattern}.") for pattern in patterns) if patterns else default
