"""The chain of the ledger: each line holds the digest of the line before and its own, so that a change is found and named (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mlsandbox.ledger.entry import Entry, document_of, read_entry
from mlsandbox.ledger.places import Placed, in_place

_Kind = TypeVar("_Kind", int, str)
_HEAD: Final = "ledger.head"
_SHOWN: Final = 80
"""Characters of a line that nothing can be read from."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is kept apart from the ledger: which entry was written last."""

    sequence: int
    digest: str


NOTHING: Final = Head(0, "")
"""The head before the first entry; its digest is what the first line follows."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One change that something else than the tool has made."""

    line: int
    """Counted from 1; 0: it is about the file as a whole."""
    what: str
    """What is wrong, and what the line says."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that was looked through."""

    entries: tuple[Entry, ...]
    """Those of lines that are as they were written, and in their place."""
    problems: tuple[Problem, ...]
    head: Head
    """What the next entry follows."""
    torn: str = ""
    """What the end of the file holds of an entry whose writing was interrupted: it never was in the ledger."""
    unsaid: bool = False
    """Whether the last entry is there, and the head does not say so yet."""
    later: int = 0
    """Entries of a later version of the tool, which this one cannot read."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: what it holds, and the problem with it alone."""

    number: int
    text: str
    place: Placed | None
    entry: Entry | None
    problem: str = ""

    @property
    def says(self) -> str:
        return self.entry.says if self.entry is not None else f"it says: {self.text[:_SHOWN]}"


def line(entry: Entry, previous: str) -> tuple[str, str]:
    """The line of an entry, without the line break, and its digest; `previous` is the digest of the line before, "" for the first."""
    bare = {"entry": document_of(entry), "previous": previous}
    digest = _digest(bare)
    return _json({**bare, "digest": digest}), digest


def verify(text: str, head: Head | None) -> Verified:
    """Look through a ledger.

    Args:
        text: all of ledger.jsonl.
        head: what ledger.head says; None: it is not there, or cannot be read.
    """
    texts, torn = _lines_of(text, head)
    lines = [_read(number, each) for number, each in enumerate(texts, 1)]
    sound = [each for each in lines if each.place is not None and not each.problem]
    written = head or NOTHING
    kept, moved = in_place([each.place for each in sound if each.place is not None], (written.sequence, written.digest))
    chain = [sound[index] for index in kept]
    problems = [Problem(each.number, each.problem) for each in lines if each.problem]
    problems += [Problem(each.number, f"does not belong here: {each.says}") for each in (sound[index] for index in moved)]
    elsewhere = {each.sequence for each in (sound[index].place for index in moved) if each is not None}
    problems += _links(chain, lines, elsewhere)
    ended, unsaid, following = _end(chain, lines, head, torn, elsewhere)
    problems += ended
    entries = tuple(each.entry for each in chain if each.entry is not None)
    later = sum(each.entry is None for each in chain)
    return Verified(entries, tuple(sorted(problems, key=lambda each: each.line)), following, torn, unsaid, later)


def _lines_of(text: str, head: Head | None) -> tuple[list[str], str]:
    """The lines, and what stands after the last line break; a whole line that only lost its line break is a line."""
    *texts, rest = text.split("\n")
    if rest and head is not None:
        last = _read(len(texts) + 1, rest)
        if last.place is not None and (last.place.sequence, last.place.digest) == (head.sequence, head.digest):
            return [*texts, rest], ""
    return texts, rest


def _read(number: int, text: str) -> _Line:
    try:
        document: Any = json.loads(text)
        content, previous, digest = document["entry"], document["previous"], document["digest"]
        place = Placed(_as(int, content["sequence"]), _as(str, previous), _as(str, digest))
    except (ValueError, KeyError, TypeError, RecursionError):
        return _Line(number, text, None, None, f"is no entry of the ledger; it says: {text[:_SHOWN]}")
    try:
        entry = read_entry(content)
    except (ValueError, TypeError):
        entry = None
    said = _Line(number, text, place, entry)
    bare = {name: value for name, value in document.items() if name != "digest"}
    if _digest(bare) == digest and _json(document) == text:
        return said
    return _Line(number, text, place, entry, f"was changed after it was written; now it is {said.says}")


def _as(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _links(chain: Sequence[_Line], lines: Sequence[_Line], moved: Collection[int]) -> list[Problem]:
    """What is wrong between two lines that are sound in themselves; `moved` are the entries that stand in another place."""
    found = []
    before, digest, at = 0, NOTHING.digest, 0
    for each in chain:
        assert each.place is not None  # noqa: S101 - for mypy: only lines with a place are in the chain
        changed = sum(bool(other.problem) for other in lines[at : each.number - 1])
        gone = [sequence for sequence in range(before + 1, each.place.sequence) if sequence not in moved]
        if len(gone) > changed:
            missing = _count(len(gone) - changed)
            found.append(Problem(each.number, f"does not follow the line before it: {missing} missing there; {each.says}"))
        elif each.place.previous != digest and each.place.sequence == before + 1:
            found.append(
                Problem(at, f"was written anew: the line after it follows another one; now it is {lines[at - 1].says}")
                if at
                else Problem(each.number, f"is not the first entry that was written; {each.says}")
            )
        before, digest, at = each.place.sequence, each.place.digest, each.number
    return found


def _end(
    chain: Sequence[_Line], lines: Sequence[_Line], head: Head | None, torn: str, moved: Collection[int]
) -> tuple[list[Problem], bool, Head]:
    """What is wrong with the end, whether the head is one entry behind, and what the next entry follows."""
    last = chain[-1] if chain else None
    place = Placed(0, "", NOTHING.digest) if last is None or last.place is None else last.place
    end = Head(place.sequence, place.digest)
    changed = sum(bool(each.problem) for each in lines[last.number if last else 0 :])
    if head is None:
        alone = end.sequence <= 1 and len(chain) == len(lines)  # the first entry, whose writer was killed before it wrote the head
        lost = Problem(0, f"{_HEAD} is missing or cannot be read: nobody can tell whether the last entries are there")
        return [] if alone else [lost], alone and end.sequence == 1, end
    unsaid = end.sequence == head.sequence + 1 and place.previous == head.digest and not changed
    if unsaid or head == end:
        return [], unsaid, end
    says, number = (f"; {last.says}", last.number) if last else ("", 0)
    cut = sum(sequence not in moved for sequence in range(end.sequence + 1, head.sequence + 1)) - changed
    found = []
    if cut > 0:
        part = ", and of the next one only a part is there" if torn else ""
        found = [Problem(number, f"is not the last line that was written: {_count(cut)} cut off after it{part}{says}")]
    elif head.sequence == end.sequence:
        found = [Problem(number, f"is not what was written last: {_HEAD} holds another digest{says}")]
    elif head.sequence < end.sequence:
        added = [each for each in chain if each.place is not None and each.place.sequence > head.sequence]
        found = [
            Problem(each.number, f"was added by something else after entry {head.sequence}, the last one: {each.says}") for each in added
        ]
    return found, False, head


def _count(entries: int) -> str:
    return "1 entry is" if entries == 1 else f"{entries} entries are"


def _digest(bare: Mapping[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(_json(bare).encode("utf-8", "surrogatepass")).hexdigest()


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
