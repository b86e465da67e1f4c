"""A stack whose API asks for keys, from the first key to its rotation."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.sandbox import Sandbox
from support.waiting import HANG_SECONDS

KEYED = {"SANDBOX_STACK_API_KEYS": "true"}


@pytest.fixture
def keyed(template: Path, make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A project, packaged and stopped, that asks for keys."""
    sandbox = make_sandbox(extra=KEYED)
    shutil.copytree(template / "stopped", sandbox.root, dirs_exist_ok=True)
    return sandbox


def ask(url: str, key: str | None = None) -> tuple[int, Any]:
    """Status and JSON of a GET."""
    request = urllib.request.Request(url, headers={} if key is None else {"authorization": f"Bearer {key}"})  # noqa: S310 - our own stack
    try:
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def holding(folder: Path, text: str) -> list[str]:
    """Files that hold a text, but those of secrets."""
    content = text.encode()
    files = [path for path in folder.rglob("*") if path.is_file() and "secrets" not in path.parts]
    return [str(path) for path in files if content in path.read_bytes()]


def test_a_keyed_stack(keyed: Sandbox, tmp_path: Path) -> None:
    """It must answer nobody without a key and every command of ours; keys must be given and taken while it runs, and shown nowhere."""
    up = keyed.run("up", "-o", "json").ok()
    url = up.json["endpoints"]["api"]
    file = keyed.root / ".sandbox" / "secrets" / "api-keys"
    own = file.read_text().split()[-1]
    pids = {each["name"]: each["pid"] for each in keyed.status()["services"]}

    assert str(file) in up.err
    assert file.stat().st_mode & 0o077 == 0
    assert ask(f"{url}/schema")[0] == 401
    assert [ask(f"{url}{path}")[0] for path in ("/livez", "/readyz")] == [200, 200]
    assert ask(f"{url}/schema", own)[0] == 200

    predicted = keyed.run("predict", "--example", "-o", "json").ok()
    (tmp_path / "labels.csv").write_text(f"request_id,label\n{predicted.json['request_id']},stays\n")
    handed = keyed.run("feedback", "import", str(tmp_path / "labels.csv")).ok()
    line = keyed.run("predict", "--example", "--curl").ok().out
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {line.strip()}"], capture_output=True, text=True, check=True).stdout
    assert f"x-api-key: {own}\n" in words
    assert own not in line

    added = keyed.run("keys", "add", "team-a").ok()
    team = added.out.strip()
    assert ask(f"{url}/schema", team)[0] == 200, "a key must be let in once the command that makes it has ended"
    removed = keyed.run("keys", "remove", "sandbox").ok()
    assert ask(f"{url}/schema", own)[0] == 401, "a key must be kept out once the command that takes it away has ended"
    keyed.run("predict", "--example").ok()
    refused = Sandbox(keyed.root, keyed.home, extra={**KEYED, "SANDBOX_API_KEY": own}).run("predict", "--example")

    assert refused.code == 1
    assert "UNAUTHORIZED" in refused.err
    assert "sandbox keys list" in refused.err
    assert pids == {each["name"]: each["pid"] for each in keyed.status()["services"]}
    keyed.run("doctor")
    shown = [each.out + each.err for each in (up, predicted, handed, removed, refused, keyed.run("logs", "--errors"), keyed.run("env"))]
    for key in (own, team):
        assert all(key not in text for text in (*shown, added.err))
        assert holding(keyed.root / ".sandbox", key) == []
    assert shlex.quote(str(file)) in up.json["curl"]


def test_keys_can_be_switched_on(keyed: Sandbox) -> None:
    """A stack that runs without keys must ask for them after the next `up`, and answer everybody again after one more."""
    open_to_all = Sandbox(keyed.root, keyed.home)
    url = open_to_all.run("up", "-o", "json").ok().json["endpoints"]["api"]
    assert ask(f"{url}/schema")[0] == 200

    keyed.run("up").ok()
    assert ask(f"{url}/schema")[0] == 401
    assert "asks for one of these" in open_to_all.run("keys", "list").ok().out, "what runs must be told of, not what the next `up` makes"
    assert "x-api-key" in open_to_all.run("predict", "--example", "--curl").ok().out

    open_to_all.run("up").ok()
    assert ask(f"{url}/schema")[0] == 200
