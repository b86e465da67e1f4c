"""Mappings: what an index says of its fields, what a document may hold, and what a new field becomes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from elasticsearch_standin import field_types
from elasticsearch_standin.failures import Refusal, bad_argument

Json = dict[str, Any]


def validated(mapping: Json, limit: int = 1000) -> Json:
    """The mapping, when every field has a type that exists.

    Raises:
        Refusal: as the server refuses a mapping.
    """
    unknown = set(mapping) - {"dynamic", "properties", "dynamic_templates", "_source", "_meta", "date_detection", "numeric_detection"}
    if unknown:
        raise Refusal(400, "mapper_parsing_exception", f"Root mapping definition has unsupported parameters:  {sorted(unknown)}")
    names = list(_walk(mapping.get("properties", {}), ""))
    for path, definition in names:
        if definition["type"] not in field_types.TYPES:
            reason = f"No handler for type [{definition['type']}] declared on field [{path}]"
            raise Refusal(400, "mapper_parsing_exception", f"Failed to parse mapping: {reason}", cause=("mapper_parsing_exception", reason))
    if len(names) > limit:
        raise bad_argument(f"Limit of total fields [{limit}] has been exceeded")
    return mapping


def fields(mapping: Json) -> dict[str, Json]:
    """Definition of each field by its full path; objects and multi-fields too."""
    return dict(_walk(mapping.get("properties", {}), ""))


def _walk(properties: Json, prefix: str) -> Iterator[tuple[str, Json]]:
    for name, given in properties.items():
        definition = {"type": "object", **given}
        yield prefix + name, definition
        yield from _walk(definition.get("properties", {}), f"{prefix}{name}.")
        for extra, inner in definition.get("fields", {}).items():
            yield f"{prefix}{name}.{extra}", {"type": "keyword", **inner}


def merged(first: Json, second: Json) -> Json:
    """Two mappings (or settings), the second over the first."""
    out = copy.deepcopy(first)
    for key, value in second.items():
        both = isinstance(out.get(key), dict) and isinstance(value, dict)
        out[key] = merged(out[key], value) if both else copy.deepcopy(value)
    return out


def nested(mapping: Json) -> Json:
    """The mapping with fields named `a.b` inside an object `a`."""
    out = {key: value for key, value in mapping.items() if key != "properties"}
    properties: Json = {}
    for name, definition in mapping.get("properties", {}).items():
        inner = nested(definition) if "properties" in definition else definition
        *parents, leaf = name.split(".")
        place = properties
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}}).setdefault("properties", {})
        place[leaf] = merged(place[leaf], inner) if leaf in place else inner
    return {**out, "properties": properties} if "properties" in mapping else out


def expanded(source: Any) -> Any:
    """A document with keys named `a.b` inside an object `a`, as it is indexed."""
    if isinstance(source, list):
        return [expanded(item) for item in source]
    if not isinstance(source, dict):
        return source
    out: Json = {}
    for key, value in source.items():
        place = out
        *parents, leaf = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise Refusal(400, "document_parsing_exception", f"failed to parse: [{key}] lies below a concrete value")
        inner = expanded(value)
        place[leaf] = merged(place[leaf], inner) if isinstance(place.get(leaf), dict) and isinstance(inner, dict) else inner
    return out


def accept(mapping: Json, document: Json, *, doc_id: str, limit: int = 1000) -> Json:
    """Check an expanded document; returns the mapping with the fields that it made.

    Raises:
        Refusal: a value of the wrong type, or a field that `dynamic: strict` forbids.
    """
    grown = copy.deepcopy(mapping)
    _Reader(grown, doc_id).object(grown, document, "", str(mapping.get("dynamic", "true")).lower())
    return validated(grown, limit) if grown != mapping else mapping


class _Reader:
    def __init__(self, mapping: Json, doc_id: str) -> None:
        self._templates = mapping.get("dynamic_templates", [])
        self._dates = mapping.get("date_detection", True)
        self._id = doc_id

    def object(self, place: Json, document: Json, prefix: str, dynamic: str) -> None:
        dynamic = str(place.get("dynamic", dynamic)).lower()
        for name, value in document.items():
            path = prefix + name
            definition = place.get("properties", {}).get(name)
            if definition is None:
                if dynamic == "strict":
                    parent = prefix.rstrip(".") or "_doc"
                    reason = f"[1:1] mapping set to strict, dynamic introduction of [{name}] within [{parent}] is not allowed"
                    raise Refusal(400, "strict_dynamic_mapping_exception", reason)
                if dynamic == "false" or value is None or value == []:
                    continue
                definition = place.setdefault("properties", {})[name] = self._new(path, name, value)
            self._value(definition, value, path, dynamic)

    def _value(self, definition: Json, value: Any, path: str, dynamic: str) -> None:
        kind = definition.get("type", "object")
        if value is None or kind == "alias" or not definition.get("enabled", True):
            return  # what is not enabled is not even looked at: it may be no object
        if isinstance(value, list) and kind != "geo_point":
            for item in value:
                self._value(definition, item, path, dynamic)
        elif kind in field_types.OBJECTS:
            if not isinstance(value, dict):
                reason = f"[1:1] object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value"
                raise Refusal(400, "document_parsing_exception", reason)
            self.object(definition, value, f"{path}.", dynamic)
        else:
            try:
                field_types.check(definition, value)
            except ValueError as error:
                if not definition.get("ignore_malformed", False):
                    raise self._refused(path, kind, value, str(error)) from error

    def _refused(self, path: str, kind: str, value: Any, why: str) -> Refusal:
        preview = f"Preview of field's value: '{field_types.text(value)[:40]}'"
        reason = f"[1:1] failed to parse field [{path}] of type [{kind}] in document with id '{self._id}'. {preview}"
        return Refusal(400, "document_parsing_exception", reason, cause=("illegal_argument_exception", why))

    def _new(self, path: str, name: str, value: Any) -> Json:
        first = next((item for item in value if item is not None), None) if isinstance(value, list) else value
        kind = _kind(first, dates=self._dates)
        for template in self._templates:
            rule = next(iter(template.values()))
            wanted = rule.get("match_mapping_type", "*")
            names = fnmatchcase(name, rule.get("match", "*")) and fnmatchcase(path, rule.get("path_match", "*"))
            if wanted in ("*", kind) and names and not fnmatchcase(name, rule.get("unmatch", "")):
                made: Json = {"type": _DEFAULTS[kind]["type"], **rule["mapping"]}
                return {key: kind if inner == "{dynamic_type}" else inner for key, inner in made.items()}
        return copy.deepcopy(_DEFAULTS[kind])


_DEFAULTS: dict[str, Json] = {
    "object": {"type": "object"},
    "boolean": {"type": "boolean"},
    "long": {"type": "long"},
    "double": {"type": "float"},
    "date": {"type": "date"},
    "string": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
}


def _kind(value: Any, *, dates: bool) -> str:
    for kind, python in (("boolean", bool), ("long", int), ("double", float), ("object", dict)):
        if isinstance(value, python):
            return kind
    if dates and isinstance(value, str) and len(value) > len("2026"):
        try:
            field_types.instant({"type": "date", "format": "strict_date_optional_time"}, value)
        except ValueError:
            return "string"
        return "date" if not value.startswith("now") else "string"
    return "string"
