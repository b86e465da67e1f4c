"""API keys of a project: what is in their file, what the command does to it, and what it never shows."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from mlsandbox.actions.keys import add_key, keys, remove_key
from mlsandbox.endpoint import curl_line
from mlsandbox.errors import ConfigInvalid, UsageError
from mlsandbox.key_file import first_key, parse_keys
from mlsandbox.secrets import api_key, ensure_secret, key_for_shell, key_path
from mlsandbox.views.keys import added_text, list_text, removed_text
from mlsandbox_serving.service.access import Access

BY_HAND = "# ours\n\n  0123456789abcdef-first \nteam-a:   c2Vjb25k-of_team.a~0123+/==\n"


def quiet(_: str) -> None:
    """Nobody waits in these tests."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A project's folder of state, not made yet."""
    return tmp_path / ".sandbox"


def by_hand(sandbox: Path, text: str = BY_HAND) -> Path:
    path = key_path(sandbox)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_key_is_made_for_ourselves(sandbox: Path) -> None:
    """The secret that `up` makes must be a file of one named key, for its owner alone, which the service takes and our requests carry."""
    path = ensure_secret(sandbox, "api-keys")

    (key,) = parse_keys(path.read_text(encoding="utf-8"))
    assert (key.name, len(key.key), stat.S_IMODE(path.stat().st_mode)) == ("sandbox", 64, 0o600)
    assert api_key(sandbox, {}) == key.key
    assert Access.read(path).allows(f"Bearer {key.key}", None)


def test_what_both_programs_read(sandbox: Path) -> None:
    """What the command takes for keys, the service must let in, and the other way round."""
    path = by_hand(sandbox)

    found = parse_keys(path.read_text(encoding="utf-8"))
    assert [(each.name, each.line) for each in found] == [(None, 3), ("team-a", 4)]
    assert all(Access.read(path).allows(None, each.key) for each in found)
    assert first_key(path) == "0123456789abcdef-first"


def test_the_variable_goes_first(sandbox: Path) -> None:
    """A key in the environment must be sent instead of the project's; without either none is."""
    assert api_key(sandbox, {}) is None
    by_hand(sandbox)

    assert api_key(sandbox, {"SANDBOX_API_KEY": "from-the-environment"}) == "from-the-environment"
    assert api_key(sandbox, {"SANDBOX_API_KEY": ""}) == "0123456789abcdef-first"


def test_a_command_line_holds_no_key(sandbox: Path) -> None:
    """A request to be pasted must say where the key is, not what it is."""
    by_hand(sandbox)

    line = curl_line("http://127.0.0.1:7310", {"age": 1}, key_for_shell(sandbox, {}))
    assert '-H "x-api-key: $(awk' in line
    assert str(key_path(sandbox)) in line
    assert "0123456789abcdef" not in line
    assert '-H "x-api-key: $SANDBOX_API_KEY"' in curl_line("http://h", {}, key_for_shell(sandbox, {"SANDBOX_API_KEY": "secret"}))
    assert "x-api-key" not in curl_line("http://h", {})


def test_a_key_is_added(sandbox: Path) -> None:
    """A new key must be let in, be told once, and leave those that were there; the first makes our own as well."""
    change, key = add_key(sandbox, "team-a", quiet)
    again, other = add_key(sandbox, "team-b", quiet)

    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert key != other
    assert keys(sandbox, required=True).names == ("sandbox", "team-a", "team-b")
    assert all(Access.read(change.file).allows(None, each) for each in (key, other, api_key(sandbox, {})))
    assert key not in f"{change!r} {again!r} {added_text(change, required=True, shown=True)} {list_text(keys(sandbox, required=True))}"


def test_a_file_is_changed_in_place(sandbox: Path) -> None:
    """The file must stay the one that a container has mounted, with its comments and permissions."""
    path = by_hand(sandbox, BY_HAND.rstrip())
    path.chmod(0o640)
    before = path.stat()

    add_key(sandbox, "team-b", quiet)
    remove_key(sandbox, "team-a", quiet)

    after = path.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert re.fullmatch(r"# ours\n\n  0123456789abcdef-first \nteam-b: [0-9a-f]{64}\n", path.read_text(encoding="utf-8"))


def test_a_key_is_removed(sandbox: Path) -> None:
    """A key that was removed must be kept out, the others let in."""
    path = by_hand(sandbox)
    gone = parse_keys(path.read_text(encoding="utf-8"))[1].key

    assert removed_text(remove_key(sandbox, "team-a", quiet)) == f"team-a was removed from {path}"

    assert not Access.read(path).allows(None, gone)
    assert Access.read(path).allows(None, "0123456789abcdef-first")


@pytest.mark.parametrize("name", ["", "two words", "a:b", "#a", "x" * 65, "ключ"])
def test_names_that_cannot_be_had(sandbox: Path, name: str) -> None:
    """A name that the file could not hold must be refused before anything is made."""
    with pytest.raises(UsageError, match="is no name for a key"):
        add_key(sandbox, name, quiet)

    assert not sandbox.exists()


def test_what_cannot_be_done(sandbox: Path) -> None:
    """A name that is taken, one that is not there, and the last key must each be refused with a reason."""
    add_key(sandbox, "team-a", quiet)

    with pytest.raises(UsageError, match="already"):
        add_key(sandbox, "team-a", quiet)
    with pytest.raises(UsageError, match="there is no key 'team-b'"):
        remove_key(sandbox, "team-b", quiet)
    remove_key(sandbox, "sandbox", quiet)
    with pytest.raises(UsageError, match="the last key"):
        remove_key(sandbox, "team-a", quiet)


def test_a_dry_run_changes_nothing(sandbox: Path) -> None:
    """A dry run must say what would be done, and do none of it."""
    change, key = add_key(sandbox, "team-a", quiet, dry_run=True)
    assert (change.dry_run, key, sandbox.exists()) == (True, "", False)
    path = by_hand(sandbox)

    assert "would be removed" in removed_text(remove_key(sandbox, "team-a", quiet, dry_run=True))
    assert path.read_text(encoding="utf-8") == BY_HAND


def test_a_file_that_is_wrong(sandbox: Path) -> None:
    """A file with a line that is no key must be named with that line, without what is in it."""
    path = by_hand(sandbox, "0123456789abcdef-first\nmy secret\n")

    with pytest.raises(ConfigInvalid) as caught:
        keys(sandbox, required=True)

    assert str(path) in caught.value.what
    assert caught.value.why == "line 2 is neither a key nor `name: key`"
    assert first_key(path) is None
