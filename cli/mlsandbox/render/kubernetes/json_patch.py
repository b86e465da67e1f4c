"""RFC 6902 operations on plain data (pure): add, replace and remove, as Kustomize applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def patched(document: Any, operations: Iterable[Mapping[str, Any]]) -> Any:
    """The document with the operations applied, one after the other; the one given stays as it is.

    Raises:
        KeyError: a path that leads nowhere.
        ValueError: an operation that is none of the three.
    """
    changed = copied(document)
    for operation in operations:
        *parents, last = _keys(operation["path"])
        place = changed
        for key in parents:
            place = place[_index(place, key)] if isinstance(place, list) else place[key]
        _apply(place, last, operation)
    return changed


def copied(document: Any) -> Any:
    """A copy in which no two places are the same object, as `copy.deepcopy` would leave them: changing one would change the other."""
    match document:
        case dict():
            return {key: copied(value) for key, value in document.items()}
        case list() | tuple():
            return [copied(value) for value in document]
    return document


def _apply(place: Any, key: str, operation: Mapping[str, Any]) -> None:
    what = operation["op"]
    if what not in {"add", "replace", "remove"}:
        raise ValueError(f"{what} is no operation that is used here")
    if isinstance(place, list):
        index = len(place) if key == "-" and what == "add" else _index(place, key, end=what == "add")
        place[index : index + (what != "add")] = [] if what == "remove" else [copied(operation["value"])]
    elif what == "remove":
        del place[key]
    else:
        if what == "replace" and key not in place:
            raise KeyError(operation["path"])
        place[key] = copied(operation["value"])


def _keys(path: str) -> list[str]:
    if not path.startswith("/"):
        raise KeyError(path)
    return [key.replace("~1", "/").replace("~0", "~") for key in path[1:].split("/")]


def _index(place: list[Any], key: str, *, end: bool = False) -> int:
    if not key.isdecimal() or int(key) >= len(place) + end:
        raise KeyError(key)
    return int(key)
