"""The query language, as far as it is used: each clause becomes a predicate over documents; an unknown one is refused."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from elasticsearch_standin import field_types
from elasticsearch_standin.documents import Document
from elasticsearch_standin.failures import Refusal, bad_argument, parsing
from elasticsearch_standin.mapping import Json

Predicate = Callable[[Document], bool]


def predicate(query: Any) -> Predicate:
    """What decides whether a document is found.

    Raises:
        Refusal: a query that the server would refuse, or that this stand-in does not know.
    """
    if not isinstance(query, dict) or len(query) != 1:
        found = "START_ARRAY" if isinstance(query, list) else f"{len(query)} clauses" if isinstance(query, dict) else "no object"
        raise parsing(f"[_na] query malformed, one clause expected, found {found}")
    ((kind, body),) = query.items()
    clause = _CLAUSES.get(kind)
    if clause is None:
        raise parsing(f"unknown query [{kind}]")
    return clause(body)


def _bool(body: Json) -> Predicate:
    unknown = set(body) - {"must", "filter", "should", "must_not", "minimum_should_match", "boost", "_name"}
    if unknown:
        raise parsing(f"[bool] query does not support [{min(unknown)}]")
    every = [*_all(body.get("must", [])), *_all(body.get("filter", []))]
    never, some = _all(body.get("must_not", [])), _all(body.get("should", []))
    least = int(body.get("minimum_should_match", 0 if every else min(1, len(some))))

    def found(document: Document) -> bool:
        return (
            all(one(document) for one in every) and not any(one(document) for one in never) and sum(one(document) for one in some) >= least
        )

    return found


def _all(clauses: Any) -> list[Predicate]:
    return [predicate(clause) for clause in (clauses if isinstance(clauses, list) else [clauses])]


def _term(body: Json) -> Predicate:
    field, wanted = _one(body, "term", "value")
    if isinstance(wanted, (list, dict)):
        raise parsing(f"[term] query does not support [{field}]" if isinstance(wanted, dict) else "[term] query does not support arrays")
    return _any_of(field, [wanted])


def _terms(body: Json) -> Predicate:
    given = {key: value for key, value in body.items() if key not in {"boost", "_name"}}
    if len(given) != 1:
        raise parsing("[terms] query does not support multiple fields")
    ((field, wanted),) = given.items()
    if not isinstance(wanted, list):
        raise parsing("[terms] query does not support a single value")
    return _any_of(field, wanted)


def _any_of(field: str, wanted: list[Any]) -> Predicate:
    def found(document: Document) -> bool:
        definition = document.definition(field)
        if definition is None:
            return False
        if definition["type"] in field_types.TEXTS:
            return bool({token for value in document.values(field) for token in _tokens(value)} & {field_types.text(one) for one in wanted})
        return bool(set(document.values(field)) & {_argument(definition, field, one) for one in wanted})

    return found


def _argument(definition: Json, field: str, value: Any) -> Any:
    try:
        return field_types.comparable(definition, value)
    except ValueError as error:
        raise Refusal(
            400, "query_shard_exception", f"failed to create query: {error}", cause=("illegal_argument_exception", field)
        ) from error


_BOUNDS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def _range(body: Json) -> Predicate:
    if len(body) != 1:
        raise parsing("[range] query doesn't support multiple fields")
    ((field, bounds),) = body.items()
    unknown = set(bounds) - {*_BOUNDS, "format", "time_zone", "boost", "relation"}
    if unknown:
        raise parsing(f"[range] query does not support [{min(unknown)}]")

    def found(document: Document) -> bool:
        definition = document.definition(field)
        if definition is None:
            return False
        typed = {**definition, "format": bounds["format"]} if "format" in bounds else definition
        limits = [(_BOUNDS[key], _argument(typed, field, bounds[key])) for key in _BOUNDS if bounds.get(key) is not None]
        return any(all(within(value, limit) for within, limit in limits) for value in document.values(field))

    return found


def _match(body: Json) -> Predicate:
    field, wanted = _one(body, "match", "query")
    every = isinstance(body[field], dict) and str(body[field].get("operator", "or")).lower() == "and"

    def found(document: Document) -> bool:
        definition = document.definition(field)
        if definition is None or definition["type"] not in field_types.TEXTS:
            return definition is not None and _any_of(field, [wanted])(document)
        there = {token for value in document.values(field) for token in _tokens(value)}
        asked = set(_tokens(field_types.text(wanted)))
        return bool(asked) and (asked <= there if every else bool(asked & there))

    return found


def _match_phrase(body: Json) -> Predicate:
    field, wanted = _one(body, "match_phrase", "query")
    phrase = f" {' '.join(_tokens(field_types.text(wanted)))} "
    return lambda document: any(phrase in f" {' '.join(_tokens(field_types.text(value)))} " for value in document.values(field))


def _prefix(body: Json) -> Predicate:
    field, wanted = _one(body, "prefix", "value")
    return lambda document: any(str(value).startswith(wanted) for value in document.values(field))


def _wildcard(body: Json) -> Predicate:
    field, wanted = _one(body, "wildcard", "value" if isinstance(next(iter(body.values())), dict) else "")
    fold = isinstance(body[field], dict) and body[field].get("case_insensitive", False)
    pattern = (wanted.lower() if fold else wanted).replace("[", "[[]")
    return lambda document: any(fnmatchcase(str(value).lower() if fold else str(value), pattern) for value in document.values(field))


def _exists(body: Json) -> Predicate:
    if set(body) - {"field", "boost"} or "field" not in body:
        raise parsing("[exists] must be provided with a [field]")
    return lambda document: document.has(body["field"])


def _ids(body: Json) -> Predicate:
    wanted = set(body["values"])
    return lambda document: document.id in wanted


def _one(body: Any, kind: str, key: str) -> tuple[str, Any]:
    if not isinstance(body, dict) or len(body) != 1:
        raise parsing(f"[{kind}] query doesn't support multiple fields")
    ((field, value),) = body.items()
    if isinstance(value, dict):
        if key not in value:
            raise bad_argument("value cannot be null")
        value = value[key]
    return field, value


def _tokens(value: str) -> list[str]:
    return re.findall(r"\w+", value.lower())


_CLAUSES: dict[str, Callable[[Any], Predicate]] = {
    "bool": _bool,
    "constant_score": lambda body: predicate(body["filter"]),
    "exists": _exists,
    "ids": _ids,
    "match": _match,
    "match_all": lambda _body: lambda _document: True,
    "match_none": lambda _body: lambda _document: False,
    "match_phrase": _match_phrase,
    "prefix": _prefix,
    "range": _range,
    "term": _term,
    "terms": _terms,
    "wildcard": _wildcard,
}
