"""A stored document and the values that a query finds in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elasticsearch_standin import field_types
from elasticsearch_standin.mapping import Json, expanded


@dataclass
class Document:
    """One document of one index, with the fields of that index."""

    index: str
    id: str
    seq: int
    version: int
    text: str
    fields: dict[str, Json]

    @cached_property
    def source(self) -> Json:
        return dict(json.loads(self.text))

    @cached_property
    def _tree(self) -> Json:
        return dict(expanded(self.source))

    def definition(self, field: str) -> Json | None:
        """How a field is indexed; inside of a flattened one as a keyword. None for what no query can find."""
        if field in {"_id", "_index"}:
            return {"type": "keyword"}
        if field == "_seq_no":
            return {"type": "long"}
        found = self.fields.get(field)
        if found is not None:
            return {"type": "keyword"} if found["type"] == "flattened" else found
        return {"type": "keyword"} if self._flattened(field) else None

    def values(self, field: str) -> list[Any]:
        """The values under a path, compared as its type says; empty when it is not indexed."""
        definition = self.definition(field)
        if field in {"_id", "_index"}:
            return [self.id if field == "_id" else self.index]
        if field == "_seq_no":
            return [self.seq]
        if definition is None or definition["type"] in field_types.OBJECTS:
            return []
        if self.fields.get(field, {}).get("type") == "flattened":
            return [field_types.text(leaf) for leaf in field_types.leaves(_at(self._tree, field.split(".")), 100)]
        path = field
        if field not in self.fields or not _at(self._tree, field.split(".")):
            parent = field.rpartition(".")[0]
            path = parent if field.rpartition(".")[2] in self.fields.get(parent, {}).get("fields", {}) else field
        return [value for raw in _at(self._tree, path.split(".")) for value in _indexed(definition, raw)]

    def has(self, field: str) -> bool:
        """Whether an `exists` query finds the field."""
        inside = any(self.values(name) for name in self.fields if name.startswith(f"{field}."))
        return bool(self.values(field)) or inside

    def _flattened(self, field: str) -> bool:
        parts = field.split(".")
        return any(self.fields.get(".".join(parts[:length]), {}).get("type") == "flattened" for length in range(1, len(parts)))


def _at(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _at(item, path)]
    if not path:
        return [] if value is None else [value]
    return _at(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def _indexed(definition: Json, raw: Any) -> list[Any]:
    if definition.get("index") is False and definition.get("doc_values") is False:
        return []
    try:
        value = field_types.comparable(definition, raw)
    except ValueError:  # ignore_malformed
        return []
    too_long = isinstance(value, str) and len(value) > definition.get("ignore_above", 2**31)
    return [] if too_long else [value]
