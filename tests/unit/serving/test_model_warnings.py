"""What Python writes of a model's code by itself holds no text of it, once that is asked for."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from mlsandbox_serving.service import model_warnings
from mlsandbox_serving.service.model_warnings import quiet_warnings

CANARY = "canary@example.org"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hooks, as long as a test runs."""
    for owner, name in ((threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(model_warnings, "_told", set())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        quiet_warnings()
        yield


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == model_warnings.__name__]


def test_a_warning_is_told_by_category_and_place(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a warning category, file and line must be told, once for each, and nothing of its text."""
    for place in range(3):
        warnings.warn(f"{CANARY} {place}", RuntimeWarning, stacklevel=1)
    warnings.warn_explicit(CANARY, UserWarning, "two\nlines\x1b.py", 7)

    first, second = lines_of(caplog)
    assert first.startswith("the model's code warns: RuntimeWarning at ")
    assert "test_model_warnings.py:" in first
    assert second == "the model's code warns: UserWarning at two lines\\x1b.py:7 (text not logged)"
    assert CANARY not in caplog.text + "".join(capfd.readouterr())


def test_warnings_of_everywhere_do_not_fill_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Places that a model makes up must be told up to a number, and then not any more."""
    for line in range(1_500):
        warnings.warn_explicit("x", UserWarning, "made up", line)

    assert len(lines_of(caplog)) == 1_000


def test_an_exception_that_ends_a_thread_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Frames and name of an exception that ends a thread must be logged, and its text written nowhere; SystemExit is no failure."""

    def fail(failure: BaseException) -> None:
        raise failure

    with caplog.at_level(logging.ERROR):
        for failure in (ValueError(CANARY), SystemExit(CANARY)):
            thread = threading.Thread(target=fail, args=(failure,))
            thread.start()
            thread.join()

    (line,) = lines_of(caplog)
    assert "builtins.ValueError (message not logged)" in line
    assert "in fail" in line
    assert CANARY not in caplog.text + "".join(capfd.readouterr())


def test_an_exception_that_nobody_can_catch_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An exception of a destructor must be logged by its name alone."""

    class Broken:
        def __del__(self) -> None:
            raise KeyError(CANARY)

    Broken()

    (line,) = lines_of(caplog)
    assert "builtins.KeyError (message not logged)" in line
    assert CANARY not in caplog.text + "".join(capfd.readouterr())
