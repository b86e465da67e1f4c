"""What the folder of an export remembers of its files, in `.mlsandbox.json`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import ConfigInvalid, StateTooNew

RECORD: Final = ".mlsandbox.json"
_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """All of it."""

    kind: str = ""
    """What is exported into the folder; empty: nothing was yet."""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Digests by path; several of a file whose writing was interrupted. None of these paths leads out of the folder."""
    writing: frozenset[str] = frozenset()
    """Paths whose writing was interrupted."""

    def write(self, folder: Path) -> None:
        """Put it into the folder."""
        record: dict[str, Any] = {"schema": _SCHEMA, "kind": self.kind}
        record["files"] = {path: list(self.files[path]) for path in sorted(self.files)}
        if self.writing:
            record["writing"] = sorted(self.writing)
        write_atomic(folder / RECORD, json.dumps(record, indent=1) + "\n", durable=False)


def read_record(folder: Path, kind: str) -> Record:
    """What is remembered; nothing of a folder that has no record.

    Args:
        folder: need not be there.
        kind: what is to be exported, for the ways out.

    Raises:
        ConfigInvalid: the record is damaged: whose files are whose is not known.
        StateTooNew: a later version has written it.
    """
    path = folder / RECORD
    try:
        document = json.loads(path.read_text("utf-8"))
        refuse_later(path, document, _SCHEMA, f"or {elsewhere(str(document['kind']), folder)}")
        files = {name: _digests(each) for name, each in document["files"].items() if _is_inside(name)}
        writing = frozenset(map(str, document.get("writing", ())))
        return Record(str(document["kind"]), files, writing)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        where = shlex.quote(str(folder))
        raise ConfigInvalid(
            f"{path} cannot be read",
            why=f"{type(error).__name__}: {error}\nIt says which files an export has written and which were changed by hand.",
            fix=f"after a merge take one side of it, then export again: git -C {where} checkout --ours {RECORD}   "
            f"or {elsewhere(kind, folder)}   or remove it: rm {shlex.quote(str(path))} (then overlays that differ count as changed by "
            "hand, those that were removed come back, changes of other files are lost, and files that are no part of it any more stay)",
            details={"path": str(path)},
        ) from error


def refuse_later(path: Path, document: Mapping[str, Any], schema: int, otherwise: str) -> None:
    """Refuse a file of an export that a later version has written.

    Args:
        path: the file.
        document: what it holds.
        schema: the newest that this version reads.
        otherwise: what to do without that version.

    Raises:
        StateTooNew: it is a later one.
    """
    found = document.get("schema")
    if isinstance(found, int) and found > schema:
        raise StateTooNew(
            f"{path} was written by a later version of mlsandbox",
            why=f"It has schema {found}; this version reads up to {schema}.",
            fix=f"upgrade: pip install --upgrade mlsandbox   {otherwise}",
            details={"path": str(path), "schema": found},
        )


def elsewhere(kind: str, folder: Path, word: str = "new") -> str:
    """The same into another folder, as a fix."""
    return f"choose another folder: sandbox export {kind} {shlex.quote(f'{folder}-{word}')}"


def _digests(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not found:
        raise TypeError("a file has no digests")
    return tuple(map(str, found))


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/") and path not in {"", RECORD}
