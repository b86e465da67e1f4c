"""Logs on disk."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.supervise.logfiles import LineSplitter, LogFile, LogReader, files, tail


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=20)), st.integers(1, 7))
def test_lines_survive_any_chunks(lines: list[str], size: int) -> None:
    """However output is cut into chunks, the same lines must come out."""
    content = "".join(f"{line}\n" for line in lines).encode()
    splitter = LineSplitter()

    found = [line for start in range(0, len(content), size) for line in splitter.feed(content[start : start + size])]

    assert found + splitter.flush() == lines


def test_long_lines_are_cut() -> None:
    """A line without end must cost no more memory than its bound, and say how much is missing."""
    splitter = LineSplitter(longest=10)

    assert splitter.feed(b"x" * 25) == []
    assert splitter.feed(b"yy\nshort\n") == ["x" * 10 + " [17 bytes cut]", "short"]


def test_bytes_that_are_not_text() -> None:
    """Output that is not UTF-8 must be shown as well as it can be, and a last line without a newline kept."""
    splitter = LineSplitter()

    assert splitter.feed(b"\xff\r\nlast") == ["\ufffd"]
    assert splitter.flush() == ["last"]


def test_time_stamps(tmp_path: Path) -> None:
    """Every line must begin with the time in UTC, to the millisecond."""
    log = LogFile(tmp_path / "logs" / "a.log")
    log.write(["one", "two"])
    log.close()

    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (one|two)", line) for line in tail(tmp_path / "logs" / "a.log", 5))


def test_rotation(tmp_path: Path) -> None:
    """Files must stay within their size and number, and the last lines be found across them."""
    path = tmp_path / "a.log"
    log = LogFile(path, largest=200, keep=2)
    for number in range(50):
        log.write([f"line {number}"])
    log.close()

    assert [file.name for file in files(path)] == ["a.log.2", "a.log.1", "a.log"]
    assert all(file.stat().st_size <= 200 for file in files(path))
    assert [line.partition(" ")[2] for line in tail(path, 9)] == [f"line {number}" for number in range(41, 50)]


def test_full_disk(tmp_path: Path) -> None:
    """A log that cannot be written must not disturb the service."""
    (tmp_path / "file").touch()
    log = LogFile(tmp_path / "file" / "a.log")

    log.write(["lost"])
    log.close()


def test_tail_of_nothing(tmp_path: Path) -> None:
    """A log that is not there must read as empty."""
    assert tail(tmp_path / "a.log", 5) == []


def test_following(tmp_path: Path) -> None:
    """Following must give every whole line once, from now on, through rotations."""
    path = tmp_path / "a.log"
    log = LogFile(path, largest=120, keep=3)
    log.write(["before"])
    with closing(LogReader(path)) as reader:
        assert reader.more() == []
        seen: list[str] = []
        for number in range(12):
            log.write([f"line {number}"])
            seen += reader.more()
        log.close()

    assert [line.partition(" ")[2] for line in seen] == [f"line {number}" for number in range(12)]


def test_following_a_file_to_be(tmp_path: Path) -> None:
    """A log that appears later must be followed from its first line."""
    path = tmp_path / "a.log"
    with closing(LogReader(path)) as reader:
        assert reader.more() == []
        path.write_bytes(b"2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:00.001Z tw")
        assert reader.more() == ["2026-01-01T00:00:00.000Z one"]


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    """Carriage returns and separators of Unicode within a line must not make two of it, whose second has no time."""
    with closing(LogFile(tmp_path / "api.log")) as log:
        log.append(["T1 10 %\r20 %", "T2 a\u2028b\x0cc"])

    assert tail(tmp_path / "api.log", 5) == ["T1 10 %\r20 %", "T2 a\u2028b\x0cc"]
    assert tail(tmp_path / "api.log", 1) == ["T2 a\u2028b\x0cc"]
    assert tail(tmp_path / "api.log", 0) == []
