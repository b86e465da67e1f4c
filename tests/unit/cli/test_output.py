"""Results and messages: formats, colours, encodings."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mlsandbox.cli import early
from mlsandbox.errors import UsageError
from mlsandbox.output import Format, Output, Paint, document, error_text, show_pieces, to_plain
from mlsandbox.progress import JsonReport, PlainReport, Progress, QuietReport, TerminalReport, make_report
from mlsandbox.views.tables import amount, span, table


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Content:
    """A result."""

    at: datetime
    path: Path
    kind: Format
    items: tuple[int, ...]
    nothing: None = None


CONTENT = Content(datetime(2026, 11, 24, 13, 0, 0, 123_000, tzinfo=UTC), Path("a/b"), Format.JSON, (1, 2))
PLAIN = {"at": "2026-11-24T13:00:00.123Z", "path": "a/b", "kind": "json", "items": [1, 2], "nothing": None}


def test_documents() -> None:
    """A document must begin with schema and kind, have UTC times, and null for what is absent."""
    assert list(document("Thing", {"a": 1})) == ["schema", "kind", "a"]
    assert to_plain(CONTENT) == PLAIN


@pytest.mark.parametrize(("form", "parse"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
def test_one_document(capsys: pytest.CaptureFixture[str], form: Format, parse: Callable[[str], object]) -> None:
    """Json and yaml must be exactly one document."""
    Output(form).result("Thing", CONTENT, "text")

    assert parse(capsys.readouterr().out) == {"schema": "sandbox/v1", "kind": "Thing", **PLAIN}


def test_variables_are_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """Shell variables must survive a shell."""
    Output(Format.ENV).result("Env", {}, "", env={"SANDBOX_URL": "a b'c"})

    assert capsys.readouterr().out == "export SANDBOX_URL='a b'\"'\"'c'\n"


@pytest.mark.parametrize(
    ("environ", "no_color", "tty", "expected"),
    [
        ({}, False, True, True),
        ({}, False, False, False),
        ({}, True, True, False),
        ({"NO_COLOR": "1"}, False, True, False),
        ({"NO_COLOR": ""}, False, True, True),
        ({"TERM": "dumb"}, False, True, False),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, True, False),
    ],
)
def test_colour(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], no_color: bool, tty: bool, expected: bool) -> None:  # noqa: FBT001 - a table
    """Colour must need a terminal or FORCE_COLOR, and NO_COLOR must win."""
    monkeypatch.setattr(sys, "stdout", Terminal() if tty else io.StringIO())

    assert Output(no_color=no_color, environ=environ).out.on is expected


def test_symbols_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that lacks a symbol must get a word, and never an exception."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    Output(environ={}).line("✓ done · ü")

    assert raw.getvalue() == b"ok done - ?\n"


def test_errors_say_what_why_and_how() -> None:
    """An error must have the form of the catalogue."""
    error = UsageError("it is wrong", why="because\nof this", fix="sandbox up")

    assert error_text(error, Paint(on=False)) == (
        "error[USAGE]: it is wrong\n\n  because\n  of this\n  hint: sandbox up\n  docs: sandbox help USAGE"
    )


def test_commands_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """When the project is not found from the current folder, commands that are shown must name it; the user's own text stays."""
    output = Output(environ={})
    output.aim(Path("my models/churn"))
    output.result("Down", {}, "delete with: sandbox down --volumes")
    output.result("Curl", {}, "curl -d 'the sandbox up there'")
    output.warning("see: sandbox logs -f")
    output.error(UsageError("no", why="see sandbox help config", fix="sandbox up"))

    out, err = capsys.readouterr()
    assert out == "delete with: sandbox -C 'my models/churn' down --volumes\ncurl -d 'the sandbox up there'\n"
    assert err.startswith("warning: see: sandbox -C 'my models/churn' logs -f\n")
    assert "see sandbox help config\n  hint: sandbox -C 'my models/churn' up\n  docs: sandbox help USAGE" in err


def test_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    """A list must be one document in json, one object per line in jsonl, and lines in text."""
    pieces = [({"a": 1}, "one"), ({"a": 2}, "two")]
    for form, expected in (
        (Format.TEXT, "one\ntwo\n"),
        (Format.JSONL, '{"a": 1}\n{"a": 2}\n'),
        (Format.JSON, '{"schema": "sandbox/v1", "kind": "L", "items": [{"a": 1}, {"a": 2}]}\n'),
    ):
        show_pieces(Output(form, environ={}), "L", "items", pieces)
        assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("progress", "environ", "quiet", "tty", "expected"),
    [
        (Progress.AUTO, {}, False, True, TerminalReport),
        (Progress.AUTO, {"CI": "true"}, False, True, PlainReport),
        (Progress.AUTO, {"TERM": "dumb"}, False, True, PlainReport),
        (Progress.AUTO, {}, False, False, PlainReport),
        (Progress.PLAIN, {}, False, True, PlainReport),
        (Progress.JSON, {}, False, True, JsonReport),
        (Progress.TTY, {}, True, True, QuietReport),
        (Progress.QUIET, {}, False, True, QuietReport),
    ],
)
def test_renderers(  # noqa: PLR0917 - a table
    monkeypatch: pytest.MonkeyPatch,
    progress: Progress,
    environ: dict[str, str],
    quiet: bool,  # noqa: FBT001 - a table
    tty: bool,  # noqa: FBT001
    expected: type,
) -> None:
    """Progress must be animated only on a terminal outside of CI."""
    monkeypatch.setattr(sys, "stderr", Terminal() if tty else io.StringIO())

    assert type(make_report(progress, Output(quiet=quiet, environ=environ))) is expected


def test_progress_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Each change must be one line, on standard error; warnings must come through quietly too."""
    report = PlainReport(Output(environ={}))
    report.step("Packaging churn")
    report.done("Packaged churn v1", "unchanged", 0.12)
    QuietReport(Output(environ={}, quiet=True)).warn("careful")
    JsonReport(Output(environ={})).done("Packaged", seconds=1.0)

    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line.endswith(end) for line, end in zip(lines, ("Packaging churn …", "0.1s", "warning: careful"), strict=False)] == [True] * 3
    assert json.loads(lines[3])["text"] == "Packaged"


def test_quiet_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """-q must silence messages and keep results and warnings."""
    output = Output(quiet=True, environ={})
    output.message("hello")
    output.warning("careful")
    output.line("result")

    assert capsys.readouterr() == ("result\n", "warning: careful\n")


@pytest.mark.parametrize("words", [["--json"], ["-o", "json"], ["-ojson"], ["--output=json"], ["up", "--output", "json"]])
def test_the_format_is_known_before_parsing(words: list[str]) -> None:
    """Even when the words cannot be parsed, the wanted format must be known."""
    assert early.session(words).output.form is Format.JSON


def test_amounts() -> None:
    """Amounts must be short."""
    assert [amount(count) for count in (None, 999, 14_000_000, 2_500_000_000)] == ["", "999 B", "14 MB", "2.5 GB"]
    assert [span(seconds) for seconds in (0.04, 9.96, 59, 106, 3600, 11_100, 200_000)] == [
        "0.0s",
        "10.0s",
        "59s",
        "1m 46s",
        "1h",
        "3h 5m",
        "2d 7h",
    ]
    assert table(("a", "b"), [("long", ""), ("x", "y")]) == "a     b\nlong\nx     y"
