"""Whether a data file has what the model takes: its columns, and rows (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from mlsandbox.errors import InputUnfit

_SHOWN: Final = 10
"""Names that a message lists of each kind."""
_SEPARATORS: Final[Mapping[str, str]] = {";": "`;`", "\t": "a tab", "|": "`|`"}
"""Those that are taken for part of a name, and how they are told."""


def refuse_unfit(path: Path, names: Collection[str], wanted: Collection[str]) -> None:
    """Refuse a file that lacks columns; those that it has besides are left out of what is sent.

    Args:
        path: of the file.
        names: of its columns.
        wanted: names of the columns that the model takes.

    Raises:
        InputUnfit: names what is missing, what the file has instead, and a separator that is not the comma.
    """
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    others = [name for name in names if name not in wanted]
    only = next(iter(names)) if len(names) == 1 else ""
    separator = next((told for mark, told in _SEPARATORS.items() if mark in only), None)
    if separator is not None:
        raise InputUnfit(
            f"{path.name} is separated by {separator}, not by commas",
            why=f"Its only column would be {only!r}; missing: {_listed(map(repr, missing))}.",
            fix=f"write it with commas, and a point in decimal numbers: {path}",
            details={"missing": missing, "unknown": others},
        )
    why = f"Missing: {_listed(_beside_nearest(missing, others))}."
    raise InputUnfit(
        f"{path.name} lacks {len(missing)} of the {len(wanted)} columns that the model takes",
        why=f"{why}\nIn the file, but not the model's: {_listed(map(repr, others))}." if others else why,
        fix=f"name its columns as the model does: {path}",
        details={"missing": missing, "unknown": others},
    )


def no_rows(path: Path) -> InputUnfit:
    """The error for a file with nothing to predict."""
    return InputUnfit(f"{path.name} has no rows", why="Nothing was sent.", fix=f"give a file with a row at least, instead of {path}")


def _beside_nearest(missing: Iterable[str], others: Iterable[str]) -> Iterable[str]:
    """Each missing name, with the name in the file that may be meant for it."""
    plain = {name.strip().casefold(): name for name in others}
    for name in missing:
        close = get_close_matches(name.strip().casefold(), plain, n=1)
        yield f"{name!r} (is it {plain[close[0]]!r}?)" if close else repr(name)


def _listed(names: Iterable[str]) -> str:
    told = list(names)
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more
