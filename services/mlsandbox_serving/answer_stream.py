"""Standard output for a program's answer alone."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def answer_alone() -> Iterator[Callable[[object], None]]:
    """Gives a function that writes the answer, one JSON value, to standard output; whatever else is written goes to standard error.

    What a model's code prints, in C libraries too, must not mix with the answer.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)

    def answer(value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as out:
            out.write(text + "\n")

    try:
        yield answer
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
