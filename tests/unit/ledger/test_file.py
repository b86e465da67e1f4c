"""The ledger as files of a project."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlsandbox.errors import FolderLinked, LedgerBroken, LedgerUnwritable
from mlsandbox.ledger import Action, Draft, Ledger
from mlsandbox.ledger.file import author


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The ledger of a project that has none yet."""
    return Ledger(tmp_path / ".sandbox")


def draft(version: str = "v1", **more: object) -> Draft:
    return Draft(Action.PACKAGED, "churn", version, "sha256:ab", **more)  # type: ignore[arg-type] # each test knows what it gives


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """No file of this process may grow past so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_entries_are_read_as_they_were_written(ledger: Ledger) -> None:
    """What is appended must be what is read, with sequence, time and author, and the lines be JSON that others can read."""
    written = ledger.append([draft(), draft("v2", reason="fits better\nand is ½ as large", facts={"rows": {10: 1, 9: 2}, "at": (1, 2)})])

    assert ledger.read() == written
    assert [each.sequence for each in written] == [1, 2]
    assert written[1].by == author()
    assert written[1].facts == {"rows": {"10": 1, "9": 2}, "at": [1, 2]}
    lines = [json.loads(each) for each in ledger.path.read_text("utf-8").splitlines()]
    assert [each["entry"]["version"] for each in lines] == ["v1", "v2"]
    assert lines[1]["previous"] == lines[0]["digest"]
    assert "½" in ledger.path.read_text("utf-8")
    assert ledger.check().problems == ()


def test_only_its_owner_reads_it(ledger: Ledger) -> None:
    """Both files must be readable by their owner alone, also when someone had opened them."""
    ledger.append([draft()])
    ledger.path.chmod(0o666)
    ledger.append([draft("v2")])

    assert [path.stat().st_mode & 0o777 for path in (ledger.path, ledger.head_path)] == [0o600, 0o600]


def test_reading_makes_nothing(ledger: Ledger) -> None:
    """To look at a ledger that is not there must leave nothing behind."""
    assert ledger.read() == ()
    assert not ledger.path.parent.exists()


def test_a_torn_line_is_set_aside(tmp_path: Path) -> None:
    """The rest of an interrupted append must be told and kept aside, and the ledger go on after its last entry."""
    notes: list[str] = []
    ledger = Ledger(tmp_path / ".sandbox", notes.append)
    ledger.append([draft()])
    with ledger.path.open("ab") as file:
        file.write(b'{"digest":"sha256:\xff')
    assert ledger.check().torn
    assert [each.version for each in ledger.read()] == ["v1"]

    ledger.append([draft("v2")])

    (aside,) = ledger.path.parent.glob("ledger.jsonl.torn-*")
    assert aside.read_bytes() == b'{"digest":"sha256:\xff'
    assert str(aside) in notes[0]
    assert ledger.check().problems == ()
    assert [each.version for each in ledger.read()] == ["v1", "v2"]


def test_a_writer_that_was_killed_before_the_head(ledger: Ledger) -> None:
    """An entry whose writer did not get to write the head must count, and the next one follow it."""
    ledger.append([draft()])
    before = ledger.head_path.read_bytes()
    ledger.append([draft("v2")])
    ledger.head_path.write_bytes(before)
    assert (ledger.check().problems, ledger.check().unsaid) == ((), True)

    ledger.append([draft("v3")])

    assert ledger.check().problems == ()
    assert [each.version for each in ledger.read()] == ["v1", "v2", "v3"]


def test_the_very_first_writer_was_killed(ledger: Ledger) -> None:
    """A first entry without a head must count, too."""
    ledger.append([draft()])
    ledger.head_path.unlink()
    ledger.append([draft("v2")])

    assert ledger.check().problems == ()
    assert len(ledger.read()) == 2


def test_a_lost_line_break(ledger: Ledger) -> None:
    """An editor that took the last line break away must not glue two entries together."""
    ledger.append([draft()])
    ledger.path.write_bytes(ledger.path.read_bytes().rstrip(b"\n"))
    ledger.append([draft("v2")])

    assert ledger.check().problems == ()
    assert len(ledger.read()) == 2


def test_damage_is_not_healed_by_what_comes_after(ledger: Ledger) -> None:
    """Entries that follow must not hide that lines were cut off, and must be written all the same: a rollback cannot wait."""
    ledger.append([draft(f"v{number}") for number in range(1, 5)])
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[:2]))
    assert [each.line for each in ledger.check().problems] == [2]

    ledger.append([draft("v5")])

    assert [(each.line, "2 entries are missing" in each.what) for each in ledger.check().problems] == [(3, True)]
    assert [each.version for each in ledger.read()] == ["v1", "v2", "v5"]


def test_a_ledger_that_is_gone(ledger: Ledger) -> None:
    """When the file is gone, and its head is there, that must be told."""
    ledger.append([draft()])
    ledger.path.unlink()

    assert "1 entry is cut off" in ledger.check().problems[0].what


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.head"])
def test_links_are_refused(ledger: Ledger, tmp_path: Path, name: str) -> None:
    """Nothing must be written or read through a link that a repository brought."""
    (tmp_path / "precious").write_text("precious")
    ledger.path.parent.mkdir()
    (ledger.path.parent / name).symlink_to(tmp_path / "precious")

    with pytest.raises(FolderLinked, match=name):
        ledger.append([draft()])
    with pytest.raises(FolderLinked, match=name):
        ledger.read()
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_cannot_be_written_or_read(ledger: Ledger) -> None:
    """A ledger that takes no entry must be an error of its own that names it, and so must one that cannot be read."""
    ledger.path.mkdir(parents=True)

    with pytest.raises(LedgerUnwritable, match="takes no entry") as refusal:
        ledger.ensure_writable()
    assert str(ledger.path) in refusal.value.why
    with pytest.raises(LedgerBroken, match="cannot be read"):
        ledger.read()


def test_nothing_stays_of_an_entry_that_did_not_fit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of an entry must leave the ledger as it was."""
    ledger.append([draft()])
    before = ledger.path.read_bytes()
    write = os.write
    monkeypatch.setattr("mlsandbox.ledger.file.os.write", lambda descriptor, content: write(descriptor, content[:20]))

    with pytest.raises(LedgerUnwritable, match="takes no entry") as refusal:
        ledger.append([draft("v2")])

    assert "make room" in refusal.value.fix
    assert ledger.path.read_bytes() == before
    assert ledger.check().problems == ()


def test_an_entry_whose_head_finds_no_room_must_not_stay(ledger: Ledger) -> None:
    """An entry must be in the ledger only when it was said to be taken: what was not recorded is not done, and is recorded when it is."""
    ledger.append([draft()])
    before = ledger.path.read_bytes()
    in_the_way = ledger.head_path.with_name(f".{ledger.head_path.name}.{os.getpid()}.tmp")
    in_the_way.mkdir()

    with pytest.raises(LedgerUnwritable, match="takes no entry"):
        ledger.append([draft("v2")])

    assert ledger.path.read_bytes() == before
    in_the_way.rmdir()
    ledger.append([draft("v3")])
    assert ledger.check().problems == ()
    assert [each.version for each in ledger.read()] == ["v1", "v3"]


def test_what_finds_no_room_must_be_known_before_it_is_begun(ledger: Ledger) -> None:
    """A change whose records would not fit on the disk must be refused, one whose records just fit not, and nothing stay of the try."""
    ledger.append([draft()])
    before = {path: path.read_bytes() for path in ledger.path.parent.iterdir()}

    with _room_for(4096):
        ledger.ensure_writable(room=4096)
        with pytest.raises(LedgerUnwritable, match="takes no entry"):
            ledger.ensure_writable(room=4097)

    assert {path: path.read_bytes() for path in ledger.path.parent.iterdir()} == before


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system knows no name for the user, as in some containers, the number must stand for it."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("mlsandbox.ledger.file.getpass.getuser", nameless)

    assert author().startswith(f"uid-{os.getuid()}@")


def test_a_reason_that_is_no_text(ledger: Ledger) -> None:
    """Bytes that a terminal handed over must not keep an entry from being written."""
    ledger.append([draft(reason="because \udcff")])

    assert ledger.check().problems == ()
    assert ledger.read()[0].reason == "because \\udcff"
