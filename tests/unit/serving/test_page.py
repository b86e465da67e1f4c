"""The page of a model service for people."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.service import page
from mlsandbox_serving.service.package import Package

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "</textarea></select></option><svg/onload=alert(1)>",
    "<!--<script>",
    "${model} $$ $style &lt;b&gt; &amp;",
    "\u202etxt.exe\u2066 \x00\x1b[31m\r\n\n\ud800",
    "javascript:alert(1)",
    "--></style><style>*{display:none}",
    "",
)
VOID = {"meta", "link", "input", "img", "br"}


class Tree(HTMLParser):
    """What a browser sees: elements with their attributes, and the text within each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[int] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self.open:
            self.elements[place][2].append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def texts(self, tag: str) -> list[str]:
        """The text of each element of that name."""
        return ["".join(text) for name, _, text in self.elements if name == tag]

    def attributes(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of each element of these names."""
        return [attributes for name, attributes, _ in self.elements if name in tags]


def column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    dtype = {"datetime": "datetime64[ns]"}.get(kind, kind)
    return {"name": name, "type": kind, "dtype": dtype, "nullable": False, "categories": None, "minimum": None, "maximum": None, **more}


def package(
    columns: Sequence[Mapping[str, Any]],
    example: Mapping[str, Any] | None = None,
    *,
    classes: Sequence[Any] = ("no", "yes"),
    **manifest: Any,
) -> Package:
    output = {"type": "class", "classes": list(classes), "probabilities": True}
    facts = {"model": "toy", "version": "v1", "digest": "sha256:0123456789abcdef", "load": {"kind": "sklearn"}, "example": example}
    schema = {"schema_version": 1, "input": "frame", "columns": list(columns), "output": output}
    return Package(Path("code"), {**facts, **manifest}, schema, None)


def read(of: Package, *, keys: bool = False) -> Tree:
    return Tree(page.render(of, keys=keys).decode())


def data_of(tree: Tree) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(next("".join(text) for tag, found, text in tree.elements if found.get("id") == "model"))
    return content


ALL_KINDS = [
    column("age", "integer", minimum=16, maximum=90),
    column("hours", "float", nullable=True),
    column("sex", "category", categories=["female", "male"]),
    column("level", "category", categories=[1, 2.5, True, "1"], nullable=True),
    column("member", "boolean"),
    column("known", "boolean", nullable=True),
    column("note", "string"),
    column("since", "datetime"),
    column("seen", "datetime", dtype="datetime64[ns, UTC]", nullable=True),
]
ROW = {
    "age": 9007199254740993,
    "hours": None,
    "sex": "male",
    "level": True,
    "member": True,
    "known": None,
    "note": "two\nlines",
    "since": "2024-05-31T12:00:00",
    "seen": "2024-05-31T12:00:00+02:00",
}


def test_the_page_says_what_is_served_and_what_it_takes() -> None:
    """Model, version, columns, types, ranges and whether a value may be left out are on the page without any script."""
    tree = read(package(ALL_KINDS, ROW))

    text = " ".join(tree.texts("body"))
    for words in ("toy", "v1", "9 columns", "one of 2 classes with probabilities", "whole number, 16 to 90", "number, may be empty"):
        assert words in text
    assert tree.texts("label")[1:] == [each["name"] for each in ALL_KINDS]


def test_the_form_starts_as_the_example() -> None:
    """Each input holds the example's value exactly, also a number that a script's numbers cannot hold; null is the empty value."""
    tree = read(package(ALL_KINDS, ROW))

    inputs = {found["id"]: found for found in tree.attributes("input") if found["id"] != "key"}
    assert {name: found.get("value") for name, found in inputs.items()} == {
        "c0": "9007199254740993",
        "c1": "",
        "c4": None,
        "c7": "2024-05-31T12:00:00",
        "c8": "2024-05-31T12:00:00+02:00",
    }
    assert "checked" in inputs["c4"]
    assert tree.texts("textarea") == ["\ntwo\nlines"]
    assert [found["value"] for found in tree.attributes("option") if "selected" in found] == ['"male"', "true", "null"]
    assert data_of(tree)["columns"][6] == {"name": "note", "kind": "string", "nullable": False, "example": "two\nlines"}


def test_each_input_has_a_label_and_a_description() -> None:
    """Whoever hears the page hears each input's name, what it takes, and what is wrong with it."""
    tree = read(package(ALL_KINDS, ROW), keys=True)

    ids = {found["id"] for _, found, _ in tree.elements if "id" in found}
    named = {found["for"] for found in tree.attributes("label")}
    inputs = tree.attributes("input", "select", "textarea")
    assert {found["id"] for found in inputs} == named
    assert {found["aria-describedby"] for found in inputs} <= ids
    assert len(ids) == len([found for _, found, _ in tree.elements if "id" in found])
    assert tree.attributes("html")[0]["lang"] == "en"


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_nothing_of_a_model_becomes_markup(place: int) -> None:
    """Names, categories, classes, values, and the model's own name are text to a browser, whatever they are, and exact to the script."""
    evil = HOSTILE[place]
    other = f"{evil}2"
    columns = [column(evil, "string"), column(other, "category", categories=[evil, other], minimum=evil, maximum=evil)]
    harmless = read(package([column("a", "string"), column("b", "category", categories=["c", "d"], minimum="e", maximum="f")]))

    tree = read(package(columns, {evil: evil, other: evil}, classes=[evil, other], model=evil, version=evil, load={"kind": evil}))

    def shape(one: Tree) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(found)) for tag, found, _ in one.elements]

    assert shape(tree) == shape(harmless)
    assert not tree.comments
    data = data_of(tree)
    assert [each["name"] for each in data["columns"]] == [evil, other]
    assert data["classes"] == [evil, other]
    assert [json.loads(str(found["value"])) for found in tree.attributes("option")] == [evil, other]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "".join(tree.texts("html")))


def test_only_the_pages_own_script_and_style_may_run() -> None:
    """The policy names the one script and the one style by their digests, allows nothing else, and the page needs nothing else."""
    tree = read(package(ALL_KINDS, ROW))
    policy = dict(part.strip().split(" ", 1) for part in page.HEADERS["content-security-policy"].split(";"))

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    runs = ["".join(text) for tag, found, text in tree.elements if tag == "script" and found.get("type") != "application/json"]
    assert [policy["script-src"]] == [digest(text) for text in runs]
    assert [policy["style-src"]] == [digest(text) for text in tree.texts("style")]
    assert "unsafe" not in page.HEADERS["content-security-policy"]
    assert (policy["default-src"], policy["connect-src"], policy["form-action"], policy["frame-ancestors"]) == (
        "'none'",
        "'self'",
        "'none'",
        "'none'",
    )
    for _, found, _ in tree.elements:
        assert not [name for name in found if name.startswith("on") or name == "style"]
        assert "//" not in f"{found.get('src', '')}{found.get('href', '')}"


def test_guarded_values_are_not_on_the_page() -> None:
    """Of a private column neither range nor example is shown, but a made-up value that it takes."""
    columns = [column("income", "float", minimum=12.5, maximum=99.5), column("email", "string")]

    html = page.render(package(columns, {"income": 47.25, "email": "a@example.org"}, private=["income"], hashed=["email"])).decode()

    for secret in ("12.5", "99.5", "47.25", "a@example.org"):
        assert secret not in html


def test_categories_of_a_guarded_column_are_asked_for_and_not_shown() -> None:
    """A private column of categories must have a field that says so, empty, and none of the categories on the page; others are shown."""
    columns = [
        column("plan", "category", categories=["hidden one", "hidden two"]),
        column("level", "category", categories=[4711, 4712], nullable=True),
        column("sex", "category", categories=["female", "male"]),
    ]
    served = package(columns, {"plan": "hidden two", "level": 4712, "sex": "male"}, private=["plan"], hashed=["level"])

    html = page.render(served).decode()
    tree = read(served)

    assert not [secret for secret in ("hidden one", "hidden two", "4711", "4712") if secret in html]
    fields = [found for found in tree.attributes("input") if found["id"] != "key"]
    assert [(found["id"], found["value"], "required" in found) for found in fields] == [("c0", "", True), ("c1", "", False)]
    assert "category, which ones it knows is not shown" in tree.texts("small")
    assert [each["kind"] for each in data_of(tree)["columns"]] == ["text", "category", "category"]
    assert len(tree.attributes("select")) == 1


def test_without_reference_data_the_form_is_made_up() -> None:
    """A model without an example row has a form with values that its columns take, and the page says that they are made up."""
    tree = read(package(ALL_KINDS))

    assert "made up" in " ".join(tree.texts("form"))
    assert next(found for found in tree.attributes("input") if found["id"] == "c7")["value"] == "2024-05-31T12:00:00"
    assert [found["value"] for found in tree.attributes("option") if "selected" in found] == ['"female"', "1", "false"]


def test_a_key_is_asked_for_where_one_is_needed() -> None:
    """With keys the page shows a field for one, which no browser stores; without them it is hidden."""
    (shown,) = [found for found in read(package(ALL_KINDS), keys=True).attributes("p") if found.get("id") == "keys"]
    (hidden,) = [found for found in read(package(ALL_KINDS)).attributes("p") if found.get("id") == "keys"]
    (field,) = [found for found in read(package(ALL_KINDS)).attributes("input") if found["id"] == "key"]

    assert "hidden" not in shown
    assert "hidden" in hidden
    assert (field["type"], field["autocomplete"], "name" in field) == ("password", "off", False)


def test_a_model_with_a_column_named_as_an_envelope_is_asked_in_one() -> None:
    """Such a model takes no row without an envelope, and the script knows."""
    assert data_of(read(package([column("rows", "float")])))["envelope"]
    assert not data_of(read(package([column("row", "float")])))["envelope"]


def test_wide_models_and_long_lists_have_a_page() -> None:
    """200 columns are all there; of thousands of categories the first are offered, the example's among them."""
    wide = package([column(f"feature_{place}", "float", minimum=-1.5, maximum=2.5) for place in range(200)])
    names = [f"code {place}" for place in range(5000)]
    long = package([column("code", "category", categories=names)], {"code": names[-1]})

    assert len(read(wide).attributes("input")) == 201
    assert len(page.render(wide)) < 100_000
    assert len(page.render(long)) < 60_000
    (chosen,) = [found["value"] for found in read(long).attributes("option") if "selected" in found]
    assert chosen == '"code 4999"'
    assert "500 of 5000 known" in " ".join(read(long).texts("small"))


def test_an_ordinary_page_is_small() -> None:
    """The page of a model with sixteen columns is sent in less than 30 KB."""
    columns = [column(f"C{place}", "category", categories=[str(code) for code in range(20)]) for place in range(16)]

    assert len(page.render(package(columns))) < 30_000


def test_without_a_key_nothing_of_the_model_is_shown() -> None:
    """Who has shown no key gets a page with a field for it, under the same policy, that holds no column, value or class."""
    tree = Tree(page.locked(package([column("household", "category", categories=["rented"])], classes=["evicted"])).decode())

    (script,) = tree.texts("script")
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in page.HEADERS["content-security-policy"]
    assert [found["id"] for found in tree.attributes("input")] == ["key"]
    assert not [word for word in ("household", "rented", "evicted") if word in " ".join(tree.texts("html"))]
