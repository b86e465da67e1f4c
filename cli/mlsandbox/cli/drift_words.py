"""The words behind `sandbox drift`: what to do, with which model, and which options belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from mlsandbox.errors import UsageError

CHECK, REPORT, INJECT, BASELINE = WORDS = ("check", "report", "inject", "baseline")
SET, RESET = _CHANGES = ("set", "reset")
_ABSENT: Final = (None, False)


class Meant(NamedTuple):
    """What is to be done."""

    what: str
    model: str | None
    change: str | None
    """`set` or `reset` of a baseline; None: it is shown."""


def meant(words: Sequence[str]) -> Meant:
    """What a line of words means; a model's name alone is checked.

    Raises:
        UsageError: there is no such word, or one too many.
    """
    what, *rest = words or (CHECK,)
    if what not in WORDS:
        if rest:
            raise UsageError(
                f"drift cannot {what}", why=f"It can {', '.join(WORDS)}.", fix=f"write it as in: sandbox drift check {rest[0]}"
            )
        what, rest = CHECK, [what]
    change = rest.pop(0) if what == BASELINE and rest and rest[0] in _CHANGES else None
    if len(rest) > 1:
        raise UsageError(f"{' '.join(rest)} is more than the name of a model", fix=f"see how: sandbox drift {what} --help")
    return Meant(what, rest[0] if rest else None, change)


def check_options(said: Meant, owners: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse options of something else.

    Args:
        said: what is to be done.
        owners: for each word its options with their values, as given.

    Raises:
        UsageError: names the option and whose it is.
    """
    this = f"{said.what} {said.change or ''}".strip()
    for owner, options in owners.items():
        for name, value in options.items():
            if value not in _ABSENT and owner != this:
                raise UsageError(f"{name} belongs to {owner}, not to {this}", fix=f"see how: sandbox drift {said.what} --help")
