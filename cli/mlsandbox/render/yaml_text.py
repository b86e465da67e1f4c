"""YAML as Compose reads it."""

from __future__ import annotations

from typing import Any

from mlsandbox.render.yaml_dump import dump


def yaml_text(document: dict[str, Any]) -> str:
    """The document as text; `$` in values is doubled, which is how Compose is told to leave it alone."""
    return dump(_escaped(document))


def _escaped(value: Any) -> Any:
    match value:
        case dict():
            return {name: _escaped(each) for name, each in value.items()}
        case list():
            return [_escaped(each) for each in value]
        case str():
            return value.replace("$", "$$")
    return value
