"""The only writer to standard output and standard error: results on the one, messages on the other.

Results are text, or one JSON or YAML document `{"schema": "sandbox/v1", "kind": …}`, or shell variables (env), or one JSON
object per line (jsonl). Colour is never the only carrier of a meaning, and is left out unless the stream is a terminal.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final, TextIO, cast

from mlsandbox.errors import Exit, SandboxError
from mlsandbox.terminal_text import visible

SCHEMA: Final = "sandbox/v1"
_OF_A_PROJECT: Final = re.compile(
    r"\bsandbox (?=(?:up|down|predict|feedback|status|diff|drift|replay|logs|doctor|env|open|config|export"
    r"|deploy|promote|rollback|retire|prune|versions|where|history|show|ledger)\b)"
)
_DATA: Final = frozenset({"Prediction", "Curl", "Config", "ConfigSchema", "ConfigPath", "Help", "Completion"})
"""Results whose text is the user's, or to be taken literally."""
_PLAIN: Final = {"✓": "ok", "✗": "failed", "·": "-", "…": "...", "→": "->", "µ": "u"}


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    ENV = "env"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours for one stream; every method gives the text back unchanged when the stream has none."""

    on: bool

    def good(self, text: str) -> str:
        return self._wrap("32", text)

    def bad(self, text: str) -> str:
        return self._wrap("31", text)

    def warn(self, text: str) -> str:
        return self._wrap("33", text)

    def hint(self, text: str) -> str:
        return self._wrap("36", text)

    def strong(self, text: str) -> str:
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        return self._wrap("2", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text


class Output:
    """Both streams of one command."""

    def __init__(
        self, form: Format = Format.TEXT, *, no_color: bool = False, quiet: bool = False, environ: Mapping[str, str] | None = None
    ) -> None:
        self.form = form
        self.quiet = quiet
        self.environ = os.environ if environ is None else environ
        self._aim = ""
        self.out = Paint(self._colour(sys.stdout, no_color=no_color))
        self.err = Paint(self._colour(sys.stderr, no_color=no_color))

    def aim(self, folder: Path) -> None:
        """Name the project's folder in every command that a result, warning or error shows: it must work when it is pasted."""
        self._aim = f"sandbox -C {shlex.quote(str(folder))} "

    def result(self, kind: str, content: object, text: str, *, env: Mapping[str, str] | None = None) -> None:
        """The one result of a command.

        Args:
            kind: its `kind` in documents.
            content: a dataclass or mapping; `to_plain` makes the document.
            text: the same for people.
            env: the same as shell variables, for commands that have them.
        """
        if self.form in (Format.JSON, Format.JSONL):
            self._write(sys.stdout, json.dumps(document(kind, content), ensure_ascii=False))
        elif self.form is Format.YAML:
            import yaml  # noqa: PLC0415 - only for -o yaml

            self._write(sys.stdout, yaml.safe_dump(document(kind, content), sort_keys=False, allow_unicode=True).rstrip("\n"))
        elif self.form is Format.ENV:
            self._write(sys.stdout, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items()))
        elif text:
            self._write(sys.stdout, text if kind in _DATA else self._aimed(text))

    def line(self, text: str) -> None:
        """One line of a result that comes piece by piece."""
        self._write(sys.stdout, text)

    def message(self, text: str) -> None:
        """Something to know that is no result; left out by -q."""
        if not self.quiet:
            self._write(sys.stderr, text)

    def warning(self, text: str) -> None:
        """Something to know that -q does not silence."""
        self._write(sys.stderr, f"{self.err.warn('warning:')} {self._aimed(text)}")

    def error(self, error: SandboxError) -> None:
        """An error in the format of the catalogue; in json and yaml mode as a document on standard output too."""
        error.why, error.fix = self._aimed(error.why), self._aimed(error.fix)
        if self.form in (Format.JSON, Format.JSONL, Format.YAML):
            self.result("Error", {"error": error_facts(error)}, "")
        self._write(sys.stderr, error_text(error, self.err))

    def ask(self, question: str) -> str:
        """The answer to a question on the terminal, "" at the end of input."""
        sys.stderr.write(visible(question, coloured=self.err.on))
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def _aimed(self, text: str) -> str:
        return _OF_A_PROJECT.sub(lambda _: self._aim, text) if self._aim else text

    def _write(self, stream: TextIO, text: str) -> None:
        """One line or block; characters that the stream's encoding lacks, or that would steer a terminal, are spelled out."""
        if stream.isatty():
            text = visible(text, coloured=(self.out if stream is sys.stdout else self.err).on)
        encoding = stream.encoding or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            for symbol, plain in _PLAIN.items():
                text = text.replace(symbol, plain)
            text = text.encode(encoding, errors="replace").decode(encoding)
        stream.write(text + "\n")
        stream.flush()

    def _colour(self, stream: TextIO, *, no_color: bool) -> bool:
        if no_color or self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb":
            return False
        return bool(self.environ.get("FORCE_COLOR")) or stream.isatty()


def show_pieces(output: Output, kind: str, name: str, pieces: Iterable[tuple[object, str]], *, none: str = "") -> None:
    """A result that comes piece by piece: at once in text and jsonl, as one document in json and yaml.

    Args:
        output: where it goes.
        kind: the document's.
        name: of the document's list.
        pieces: each for documents and as text.
        none: said when there was none of them; empty: nothing.
    """
    shown = False
    if output.form in (Format.JSON, Format.YAML):
        contents = [content for content, _ in pieces]
        output.result(kind, {name: contents}, "")
        shown = bool(contents)
    else:
        for content, text in pieces:
            output.line(json.dumps(content, ensure_ascii=False) if output.form is Format.JSONL else text)
            shown = True
    if none and not shown:
        output.message(none)


def write_now(text: str) -> None:
    """A line on standard error past all buffers: for signal handlers, which may interrupt any other writing."""
    try:
        os.write(2, (text + "\n").encode(sys.stderr.encoding or "utf-8", errors="replace"))
    except OSError:
        return


def document(kind: str, content: object) -> dict[str, Any]:
    """The content as a document; `schema` and `kind` come first."""
    return {"schema": SCHEMA, "kind": kind, **cast("dict[str, Any]", to_plain(content))}


def to_plain(value: object) -> object:
    """Dataclasses, paths, enums and times as JSON has them: times are ISO-8601 in UTC, absent values are null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def error_facts(error: SandboxError) -> dict[str, object]:
    """An error for scripts: stable `code`, then what, why, how to fix it, and details."""
    return {
        "code": error.code,
        "message": error.what,
        "why": error.why or None,
        "hint": error.fix,
        "retryable": error.exit is Exit.NOT_READY,
        "details": error.details,
    }


def error_text(error: SandboxError, paint: Paint) -> str:
    """An error for people: what happened, why, and what to do, the most useful line last but one."""
    lines = [f"{paint.bad(f'error[{error.code}]:')} {error.what}", ""]
    lines += [f"  {line}" for line in error.why.splitlines()]
    lines.append(f"  {paint.hint('hint:')} {error.fix}")
    lines.append(f"  {paint.dim('docs:')} sandbox help {error.code}")
    return "\n".join(lines)
