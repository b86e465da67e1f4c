"""API keys: who may ask a model service."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.service import access
from mlsandbox_serving.service.access import Access, is_open
from mlsandbox_serving.service.settings import SettingInvalid

FIRST = "first-key-0123456789"
SECOND = "c2Vjb25kLWtleS1vZi1iYXNlNjQ/+=="


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def keys_file(folder: Path, text: str = f"# of the tests\n\n{FIRST}\nteam-b: {SECOND}\n") -> Path:
    path = folder / "api-keys"
    path.write_text(text, encoding="utf-8")
    return path


def test_everybody_without_a_file() -> None:
    """Without a file of keys everybody must be let in."""
    everybody = Access.read(None)

    assert not everybody.required
    assert everybody.allows(None, None)


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, FIRST),
        (None, SECOND),
        (f"Bearer {FIRST}", None),
        (f"bearer   {SECOND} ", None),
        ("Basic dTpw", FIRST),
        (f"Bearer {FIRST}", "another-key-0123456789"),
    ],
)
def test_a_known_key(tmp_path: Path, authorization: str | None, api_key: str | None) -> None:
    """A key of the file must be let in, with or without a name, in either header."""
    known = Access.read(keys_file(tmp_path))

    assert known.required
    assert known.allows(authorization, api_key)


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, None),
        ("", ""),
        ("Bearer ", None),
        ("Bearer", FIRST[:-1]),
        (FIRST, None),
        (f"Basic {FIRST}", None),
        (None, f"{FIRST}0"),
        (None, FIRST.upper()),
        (None, f"Bearer {FIRST}"),
        (None, f"team-b: {SECOND}"),
        (None, "ключ" * 8),
        (None, "\udcff" * 20),
        (f"Bearer {FIRST} {FIRST}", None),
    ],
)
def test_anything_else(tmp_path: Path, authorization: str | None, api_key: str | None) -> None:
    """Whatever is no key of the file must be kept out."""
    assert not Access.read(keys_file(tmp_path)).allows(authorization, api_key)


def test_all_keys_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same comparisons must be made whichever key fits, and whether one does, on values of one length."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(left: Any, right: Any) -> bool:
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(access.hmac, "compare_digest", watched)  # type: ignore[attr-defined]
    known = Access.read(keys_file(tmp_path))
    counts = []
    for given in (FIRST, SECOND, "x", "y" * 1_000, None):
        compared.clear()
        known.allows(None, given)
        counts.append(len(compared))
        assert {len(value) for pair in compared for value in pair} == {32}

    assert counts == [4] * 5


def test_a_refusal_says_how(tmp_path: Path) -> None:
    """The refusal must be a 401 that names both headers and the scheme."""
    refusal = Access.read(keys_file(tmp_path)).refuse()

    assert (refusal.failure.status, refusal.failure.code) == (401, "UNAUTHORIZED")
    assert refusal.headers == {"www-authenticate": "Bearer"}
    assert "x-api-key" in refusal.message
    assert "Bearer" in refusal.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        ("short-key\n", "line 1 must have 16 to 256"),
        (f"{FIRST}\n{'k' * 257}\n", "line 2 must have 16 to 256"),
        (f"{FIRST} {SECOND}\n", "line 1 is neither"),
        (f"{FIRST}\na b: {SECOND}\n", "line 2 is neither"),
        (f'"{FIRST}"\n', "line 1 is neither"),
        ("Пароль-из-многих-букв\n", "line 1 is neither"),
        ("#" * 1_000_001, "larger than 1000000 bytes"),
        (f"team: {FIRST[:18]}", "does not end with a newline"),
        (f"{FIRST}\n{SECOND[:18]}", "does not end with a newline"),
    ],
)
def test_a_file_with_a_fault(tmp_path: Path, text: str, reason: str) -> None:
    """A file that cannot be meant must be refused at the start, by its line and without what is in it."""
    with pytest.raises(SettingInvalid, match=reason) as caught:
        Access.read(keys_file(tmp_path, text))

    assert str(tmp_path) in str(caught.value)
    assert all(word.strip('"') not in str(caught.value) for word in text.split() if len(word) > 4 and word != "nothing")


def test_no_file_there(tmp_path: Path) -> None:
    """A file that is not there must be refused at the start."""
    with pytest.raises(SettingInvalid, match="No such file"):
        Access.read(tmp_path / "api-keys")


def test_a_file_of_windows(tmp_path: Path) -> None:
    """A byte order mark and CRLF must be no part of a key."""
    (tmp_path / "api-keys").write_bytes(b"\xef\xbb\xbf" + f"{FIRST}\r\nteam-b:{SECOND}\r\n".encode())

    known = Access.read(tmp_path / "api-keys")

    assert known.allows(None, FIRST)
    assert known.allows(None, SECOND)


def test_rotation_needs_no_restart(tmp_path: Path) -> None:
    """A key that was added must be let in, and one that was taken away kept out, a second after the file was written."""
    clock, file = Clock(), keys_file(tmp_path)
    known = Access(file, clock=clock)
    added = "added-key-0123456789"
    keys_file(tmp_path, f"{SECOND}\nnew: {added}\n")

    assert known.allows(None, FIRST)
    clock.now += 1
    assert known.allows(None, added)
    assert known.allows(None, SECOND)
    assert not known.allows(None, FIRST)


def test_half_a_file_locks_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that became unusable must leave the keys as they were, say so without its text, and count once it is whole again."""
    clock, file = Clock(), keys_file(tmp_path)
    known = Access(file, clock=clock)

    with caplog.at_level(logging.INFO, logger=access.__name__):
        for text in ("", "tiny-secret"):
            keys_file(tmp_path, text)
            clock.now += 1
            assert known.allows(None, FIRST)
        file.unlink()
        clock.now += 1
        assert known.allows(None, FIRST)
        keys_file(tmp_path, f"{SECOND}\n")
        clock.now += 1
        assert not known.allows(None, FIRST)

    told = [record.getMessage() for record in caplog.records]
    assert ["stay as they were" in text for text in told] == [True, True, True, False]
    assert all("secret" not in text and SECOND not in text for text in told)


def test_half_a_key_is_no_key(tmp_path: Path) -> None:
    """While a key is being written its beginning must let nobody in."""
    clock, file = Clock(), keys_file(tmp_path, f"{FIRST}\n")
    known = Access(file, clock=clock)
    keys_file(tmp_path, f"{FIRST}\nteam: {SECOND[:18]}")
    clock.now += 1

    assert not known.allows(None, SECOND[:18])
    assert known.allows(None, FIRST)


def test_an_unusable_file_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that stays unusable must be told of once, and again when it is written anew or is unusable for another reason."""
    clock, file = Clock(), keys_file(tmp_path)
    known = Access(file, clock=clock)
    told = []

    for text in ("no key\n", None, None, "no key either\n", None, f"{FIRST}\n", "no key\n"):
        if text is not None:
            keys_file(tmp_path, text)
        clock.now += 1
        known.allows(None, FIRST)
        told.append(len([record for record in caplog.records if "stay as they were" in record.getMessage()]))

    assert told == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"])
def test_open_paths(path: str) -> None:
    """Probes and Prometheus must need no key."""
    assert is_open(path)


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/schema", "/docs.json", "/v2", "/v2/models/toy", "/livez/", "/nothing", ""])
def test_closed_paths(path: str) -> None:
    """All else must need a key."""
    assert not is_open(path)
