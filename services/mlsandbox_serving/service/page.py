"""The page of a model service for people: what the model takes, a form to ask it, and the same as a command.

One file that fetches nothing from elsewhere. Its form is made here, so that the columns can be read without a script, too. Names,
categories and example values come with a model from wherever it was trained: none of them may become markup, script or style.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from mlsandbox_serving.contract import ENVELOPES
from mlsandbox_serving.service.example import example_row, has_hidden_categories, is_zoned, placeholder
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.shown import isolated, shown

_FILES: Final = Path(__file__).with_name("page_files")
_STYLE: Final = (_FILES / "page.css").read_text(encoding="utf-8")
_SCRIPT: Final = (_FILES / "page.js").read_text(encoding="utf-8")
_PAGE: Final = Template((_FILES / "page.html").read_text(encoding="utf-8"))
_LOCKED: Final = Template((_FILES / "locked.html").read_text(encoding="utf-8"))

_MOST_CATEGORIES: Final = 500
"""So many are offered, beside the example's."""
_TYPES: Final = {
    "float": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "string": "text",
    "category": "category",
    "datetime": "date and time",
}
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
"""What an input for dates and times can hold."""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_digest(_SCRIPT)}; style-src {_digest(_STYLE)}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of both pages: only its own script and style run, and only this service is asked anything."""
CONTENT_TYPE: Final = "text/html; charset=utf-8"


def locked(package: Package) -> bytes:
    """The page for who has not shown a key yet: a field for it, and nothing of the model that /readyz does not say. It is answered with
    200; its script asks for the same address again, with the key.
    """
    return _LOCKED.substitute(_common(package)).encode()


def render(package: Package, *, keys: bool = False) -> bytes:
    """The whole page in UTF-8.

    Args:
        package: what is served.
        keys: whether an API key is needed: then only who has shown one gets this page, the others `locked`.
    """
    schema = package.public_schema
    columns = schema["columns"]
    example = example_row(package)
    row = example or {column["name"]: placeholder(column) for column in columns}
    return _PAGE.substitute(
        _common(package),
        facts=_facts(package, schema),
        origin="This is a row of the reference data." if example else "The values are made up: the model came without reference data.",
        keys="" if keys else " hidden",
        fields="\n".join(_field(place, column, row.get(column["name"])) for place, column in enumerate(columns)),
        data=_data(schema, row),
    ).encode()


def _common(package: Package) -> dict[str, str]:
    identity = package.identity
    return {
        "title": shown(f"{identity.model} {identity.version}"),
        "style": _STYLE,
        "script": _SCRIPT,
        "model": isolated(identity.model),
        "version": isolated(identity.version),
    }


def _facts(package: Package, schema: Mapping[str, Any]) -> str:
    output = schema["output"]
    classes = output.get("classes")
    answers = {"class": f"one of {len(classes)} classes" if classes else "a class", "number": "a number", "array": "several numbers"}
    kind = package.manifest.get("load", {}).get("kind", "")
    columns = f"{len(schema['columns'])} column{'' if len(schema['columns']) == 1 else 's'}"
    more = " with probabilities" if output.get("probabilities") else ""
    digest = f" Package {shown(package.identity.digest[:19])}…" if package.identity.digest else ""
    return f"{shown(str(kind))} model; takes {columns}, answers {answers[output['type']]}{more}.{digest}"


def _field(place: int, column: Mapping[str, Any], value: Any) -> str:
    attributes = f'id="c{place}" aria-describedby="d{place}"{"" if column.get("nullable") else " required"}'
    return (
        f'<div><label for="c{place}">{isolated(column["name"])}</label>{_INPUTS[column["type"]](attributes, column, value)}'
        f'<small id="d{place}">{_about(column)}</small></div>'
    )


def _about(column: Mapping[str, Any]) -> str:
    words = [_TYPES[column["type"]]]
    if column.get("minimum") is not None and column.get("maximum") is not None:
        words.append(f"{shown(str(column['minimum']))} to {shown(str(column['maximum']))}")
    if has_hidden_categories(column):
        words.append("which ones it knows is not shown")
    elif column["type"] == "category":
        count = len(column["categories"])
        words.append(f"{count} known" if count <= _MOST_CATEGORIES else f"{_MOST_CATEGORIES} of {count} known")
    if is_zoned(column):
        words.append("with its offset")
    if column.get("nullable"):
        words.append("may be empty")
    return ", ".join(words)


def _number(attributes: str, _column: Mapping[str, Any], value: Any) -> str:
    return f'<input {attributes} type="number" step="any" value="{escape(_text(value))}">'


def _string(attributes: str, _column: Mapping[str, Any], value: Any) -> str:
    # An empty text is one that can be meant. The first line break after the tag belongs to the markup.
    return f'<textarea {attributes.removesuffix(" required")} rows="1" dir="auto" spellcheck="false">\n{shown(_text(value))}</textarea>'


def _datetime(attributes: str, column: Mapping[str, Any], value: Any) -> str:
    text = _text(value)
    local = text.removesuffix("Z") if is_zoned(column) else text
    if text and (_LOCAL.fullmatch(local) is None or (is_zoned(column) and local == text)):
        return f'<input {attributes} value="{shown(text)}">'
    zone = ' title="in UTC"' if is_zoned(column) else ""
    return f'<input {attributes}{zone} type="datetime-local" step="any" value="{local}">'


def _boolean(attributes: str, column: Mapping[str, Any], value: Any) -> str:
    if column.get("nullable"):
        return _select(attributes, (True, False), value, nullable=True)
    return f'<input {attributes.removesuffix(" required")} type="checkbox"{" checked" if value else ""}>'


def _category(attributes: str, column: Mapping[str, Any], value: Any) -> str:
    if has_hidden_categories(column):  # the example is none of them
        return f'<input {attributes} value="" autocomplete="off">'
    offered = list(column["categories"][:_MOST_CATEGORIES])
    if value is not None and _json(value) not in {_json(each) for each in offered}:
        offered.append(value)
    return _select(attributes, offered, value, nullable=bool(column.get("nullable")))


def _select(attributes: str, values: Iterable[Any], chosen: Any, *, nullable: bool) -> str:
    selected = None if chosen is None else _json(chosen)
    empty = f'<option value="null"{" selected" if chosen is None else ""}></option>' if nullable else ""
    options = "".join(
        f'<option value="{escape(_json(value))}"{" selected" if _json(value) == selected else ""}>{shown(_text(value))}</option>'
        for value in values
    )
    return f"<select {attributes.removesuffix(' required')}>{empty}{options}</select>"


_INPUTS: Final = {
    "float": _number,
    "integer": _number,
    "boolean": _boolean,
    "string": _string,
    "category": _category,
    "datetime": _datetime,
}


def _kind(column: Mapping[str, Any]) -> str:
    """The column's type; "text" for hidden categories that are all texts: what looks like a number is none there."""
    only_texts = has_hidden_categories(column) and column["categories_types"] == ["string"]
    return "text" if only_texts else str(column["type"])


def _data(schema: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What the script needs of the schema, as JSON that no parser of HTML finds markup in."""
    columns = schema["columns"]
    content = {
        "columns": [
            {
                "name": column["name"],
                "kind": _kind(column),
                "nullable": bool(column.get("nullable")),
                **({"zoned": True} if is_zoned(column) else {}),
                **({"example": row[column["name"]]} if column["type"] == "string" and row.get(column["name"]) is not None else {}),
            }
            for column in columns
        ],
        "classes": list(schema["output"].get("classes") or ()),
        "envelope": any(column["name"] in ENVELOPES for column in columns),
    }
    return _json(content).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else _json(value)
