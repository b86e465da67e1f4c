"""One thread for all engines of a process: it imports alibi-detect, which takes seconds, and compares one window after the other."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from importlib import import_module
from queue import SimpleQueue
from typing import Final

from mlsandbox_serving.drift_alibi.comparison import Library
from mlsandbox_serving.drift_alibi.verdict import Status

_log = logging.getLogger(__name__)

Job = Callable[[Library | None], None]
"""Called in the thread, with None when alibi-detect is not there."""
MOST_WAITING: Final = 32 * 1024 * 1024
"""Bytes of windows that wait, of all engines."""
_NEED: Final = "Python 3.11 or 3.12 with what services/requirements/drift-alibi.txt locks"


def import_library() -> Library:
    """Import alibi-detect.

    Raises:
        ImportError: it or something that it needs is not there.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # it is imported along, and misses frameworks that nothing here needs
    return Library(import_module("alibi_detect.cd"), import_module("alibi_detect.od"))


class Worker:
    """The thread; nothing happens before `start`.

    Args:
        load: gives the library.
    """

    def __init__(self, load: Callable[[], Library] = import_library) -> None:
        self._status = Status.LOADING
        self._problem: str | None = None
        self._load = load
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting = 0
        self._held = 0
        self._idle = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="alibi", daemon=True)
        self._started = self._closed = False

    @property
    def status(self) -> Status:
        """Whether windows are compared."""
        return Status.FAILED if self._has_ended else self._status

    @property
    def problem(self) -> str | None:
        """Why not; None when they are, or will be."""
        return "its thread has ended: restart the drift service" if self._has_ended else self._problem

    def start(self) -> None:
        """Begin to import; returns at once. Once is enough."""
        if not self._started:
            self._started = True
            self._thread.start()

    def submit(self, job: Job) -> None:
        """Have something done after all that was submitted before."""
        with self._idle:
            self._waiting += 1
        self._jobs.put(job)

    def hold(self, size: int) -> bool:
        """Take room for a window that waits; whether there is some. There is for one window, however large."""
        with self._idle:
            if self._held and self._held + size > MOST_WAITING:
                return False
            self._held += size
            return True

    def let_go(self, size: int) -> None:
        """Give room back."""
        with self._idle:
            self._held -= size

    def wait(self, seconds: float) -> bool:
        """Wait until all is done; whether it is."""
        with self._idle:
            return self._idle.wait_for(lambda: self._waiting == 0, seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Finish the job that is being done, and no other one; a thread that needs longer ends with the process."""
        self._closed = True
        if self._started:
            self._jobs.put(None)
            self._thread.join(seconds)

    @property
    def _has_ended(self) -> bool:
        return self._started and not self._closed and not self._thread.is_alive()

    def _run(self) -> None:
        library = self._loaded()
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                job(library)
            except BaseException:  # noqa: BLE001 - the thread must not end with one job, not even when a library wants to exit
                _log.exception("a window was not compared")
            with self._idle:
                self._waiting -= 1
                self._idle.notify_all()

    def _loaded(self) -> Library | None:
        started = time.perf_counter()
        try:
            library = self._load()
        except BaseException as error:  # noqa: BLE001 - the other engines work on
            self._problem = f"alibi-detect cannot be imported ({type(error).__name__}: {error}): it needs {_NEED}"
            self._status = Status.FAILED
            _log.error("%s", self._problem)
            return None
        self._status = Status.READY
        _log.info("alibi-detect was imported in %.1f s", time.perf_counter() - started)
        return library
