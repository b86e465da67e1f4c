"""What a model raises is told in texts that are harmless, whatever it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.record import described, stack_trace
from mlsandbox_serving.shown import spelled


@given(st.text(min_size=1))
def test_an_exceptions_message_stays_out_of_a_guarded_log(secret: str) -> None:
    """Where texts may repeat guarded values, a traceback has frames and names of exceptions, and no message, cause's or note's either."""
    marked = f"<canary {secret}>"
    try:
        try:
            raise KeyError(marked)  # noqa: TRY301 - a cause is what is tested
        except KeyError as cause:
            error = ValueError(f"bad value {marked}")
            error.add_note(marked)
            raise error from cause
    except ValueError as caught:
        guarded, open_ = stack_trace(caught, texts=False), stack_trace(caught, texts=True)
        words = described(caught, texts=False), described(caught, texts=True)

    assert "<canary " not in guarded.replace('f"<canary {secret}>"', "")
    assert "builtins.KeyError (message not logged)" in guarded
    assert "builtins.ValueError (message not logged)" in guarded
    assert "test_exceptions.py" in guarded
    assert "<canary " in open_.replace('f"<canary {secret}>"', "")
    assert words == ("ValueError", " ".join(f"ValueError: bad value {spelled(marked)}".split()))


class Failing(Exception):
    """Raises something else when it is asked for its text."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__("never shown")
        self.failure = failure

    def __str__(self) -> str:
        raise self.failure


class Text(str):
    """A text that fails whoever works with it."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> NoReturn:
        raise AssertionError

    def __iter__(self) -> Iterator[str]:
        raise AssertionError

    def __len__(self) -> NoReturn:
        raise AssertionError


class Odd(Exception):
    """Says of itself what no exception says."""

    def __str__(self) -> str:
        return Text("odd")

    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]  # to be as hostile as can be
        raise SystemExit

    @property
    def __traceback__(self) -> NoReturn:  # type: ignore[override]
        raise SystemExit

    @property
    def __notes__(self) -> NoReturn:  # type: ignore[override]
        raise SystemExit


class Kind(type):
    """A class of exceptions that has no name."""

    @property
    def __name__(cls) -> NoReturn:  # type: ignore[override]
        raise SystemExit

    @property
    def __module__(cls) -> NoReturn:  # type: ignore[override]
        raise SystemExit


HOSTILE = [
    Failing(SystemExit(3)),
    Failing(KeyboardInterrupt()),
    Failing(RecursionError()),
    Failing(Failing(SystemExit())),
    Failing(MemoryError()),
    Odd(),
    Kind("Nameless", (Exception,), {})("x"),
    type("two\nlines\x1b", (Exception,), {"__module__": 7})("x"),
    ValueError("\ud800 \x1b[31m\r\nERROR forged: a line\u2028ERROR another\u202e"),
    RuntimeError("x" * 20_000_000),
    BaseExceptionGroup("g", [SystemExit("\nERROR forged"), Failing(SystemExit())]),
    SystemExit("\nERROR forged"),
    GeneratorExit(),
]


@pytest.mark.parametrize("error", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("place", ["raised", "cause", "context"])
def test_no_exception_is_too_much(error: BaseException, place: str, *, texts: bool) -> None:
    """Whatever a model raises, or has as a cause, must become short texts that are UTF-8 and in which no line is its own."""
    outer: BaseException = error
    if place != "raised":
        outer = ValueError("outer")
        BaseException.__dict__[f"__{place}__"].__set__(outer, error)

    words, stack = described(outer, texts=texts), stack_trace(outer, texts=texts)

    for text in (words, stack):
        assert json.loads(json.dumps(text).encode()) == text.encode().decode()
        assert len(text) < 10_000
        assert not [line for line in text.splitlines() if line.startswith("ERROR")]
        assert not {"\x1b", "\r", "\u2028", "\u202e"} & set(text)
    assert len(words.splitlines()) == 1
    assert "Traceback" in stack


def test_a_message_that_cannot_be_made_is_said() -> None:
    """Where an exception has no text, the event must say what came instead."""
    assert described(Failing(SystemExit()), texts=True) == "Failing: (asked for its message it raised SystemExit)"


def test_notes_and_groups_are_told() -> None:
    """Notes of an exception, and the exceptions that it groups, must be in its traceback, unless texts are not to be written."""
    error = ExceptionGroup("many", [ValueError("inner"), TypeError("other")])
    error.add_note("a note")

    told, untold = stack_trace(error, texts=True), stack_trace(error, texts=False)

    assert all(text in told for text in ("many", "    a note", "    of which: builtins.ValueError: inner", "TypeError: other"))
    assert "    of which: builtins.ValueError\n" in untold
    assert not [text for text in ("many", "note", "inner", "other") if text in untold]


def test_a_loop_of_causes_ends() -> None:
    """Exceptions that cause each other, and those of a deep recursion, must have a traceback of some length."""
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one

    def deeper(depth: int) -> None:
        deeper(depth + 1)

    with pytest.raises(RecursionError) as caught:
        deeper(0)

    assert 2 <= stack_trace(one, texts=True).count("Traceback") <= 10
    assert stack_trace(caught.value, texts=True).count("\n") < sys.getrecursionlimit()
