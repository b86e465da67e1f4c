"""A session before the words are parsed, so that even an unknown option is told in the right format."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlsandbox.cli.options import GlobalOptions
from mlsandbox.cli.session import Session
from mlsandbox.output import Format, Output


def session(words: Sequence[str]) -> Session:
    """A session that can already tell errors in the right format, before the words are parsed properly."""
    form = os.environ.get("SANDBOX_OUTPUT", "text")
    for index, word in enumerate(words):
        if word == "--json":
            form = "json"
        elif word in ("-o", "--output") and index + 1 < len(words):
            form = words[index + 1]
        elif word.startswith("--output="):
            form = word.partition("=")[2]
        elif word.startswith("-o") and word[2:] in list(Format):
            form = word[2:]
    chosen = Format(form) if form in list(Format) else Format.TEXT
    options = GlobalOptions(form=chosen, no_color="--no-color" in words, debug=bool({"-v", "--debug"} & set(words)))
    return Session(options, Output(chosen, no_color=options.no_color))
