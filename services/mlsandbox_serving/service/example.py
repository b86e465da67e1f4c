"""A row that a model takes, to be shown to whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.service.package import Package

_PLACEHOLDERS: Final[dict[str, Any]] = {
    "string": "…",
    "datetime": "2024-05-31T12:00:00",
    "float": 0.0,
    "number": 0.0,
    "integer": 0,
    "boolean": False,
}


def example_row(package: Package) -> dict[str, Any] | None:
    """A row of the reference data, with a made-up value in columns that are never logged; None without reference data."""
    example = package.manifest.get("example")
    if not example:
        return None
    guarded = package.guarded
    columns = {column["name"]: column for column in package.public_schema["columns"]}
    return {name: placeholder(columns[name]) if name in guarded and name in columns else value for name, value in example.items()}


def placeholder(column: Mapping[str, Any]) -> Any:
    """A made-up value that a column takes; of categories the first, and where they are hidden a value of their type, which is none.

    Args:
        column: of `Package.public_schema`.
    """
    categories = column.get("categories")
    if categories:
        return categories[0]
    kind = column["type"]
    if has_hidden_categories(column):
        kind = next((name for name in ("string", "integer", "number", "boolean") if name in column["categories_types"]), "string")
    value = _PLACEHOLDERS.get(kind)
    return f"{value}Z" if is_zoned(column) else value


def has_hidden_categories(column: Mapping[str, Any]) -> bool:
    """Whether it is a column whose categories are not shown to whoever asks."""
    return "categories_types" in column


def is_zoned(column: Mapping[str, Any]) -> bool:
    """Whether it is a datetime column whose values have an offset."""
    return column["type"] == "datetime" and ("," in column["dtype"] or "tz=" in column["dtype"])
