"""A challenger beside its champion, as a user meets it: copies, a share, what status says of it, and its death."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.churn import TRAIN
from support.sandbox import Sandbox, post
from support.waiting import wait_for


@pytest.fixture(scope="module")
def tried(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """v1 answers, and v2, a little other model, sees copies of all requests; one stack for all tests."""
    folder = tmp_path_factory.mktemp("tried")
    (folder / "home").mkdir()
    sandbox = Sandbox(folder / "project", folder / "home")
    shutil.copytree(template / "project", sandbox.root)
    sandbox.run("up").ok()
    sandbox.script(TRAIN, "churn", "0.0001")
    sandbox.run("deploy", "--as", "challenger", "--shadow").ok()
    yield sandbox
    sandbox.down()


def ask(sandbox: Sandbox, url: str) -> dict[str, str]:
    """The headers of an answer, which must be one."""
    row = json.loads((sandbox.root / "churn/capture.json").read_text())["example"]
    status, _, headers = post(f"{url}/predict", row)
    assert status == 200
    return {name.lower(): value for name, value in headers.items()}


def challenger(sandbox: Sandbox) -> dict[str, Any]:
    """What status says of v2."""
    (found,) = (each for each in sandbox.status()["versions"] if each["version"] == "v2")
    return dict(found)


def seen(sandbox: Sandbox, mode: str) -> Callable[[], Any]:
    """What became of requests or copies, as status has it."""
    return lambda: (challenger(sandbox)["tried"] or {}).get(mode)


def test_a_challenger_from_its_start_to_its_death(tried: Sandbox) -> None:
    """Copies must be compared and told of, a share be answered by both, and a challenger that dies be noticed by nobody who asks."""
    url = tried.url
    copies = seen(tried, "shadow")

    def copied() -> bool:
        """Whether there are copies of some more requests: a worker knows of its challenger within a second of the deployment."""
        assert {ask(tried, url)["x-model-version"] for _ in range(10)} == {"v1"}
        return sum(int(count) for count in (copies() or {}).values()) >= 20

    wait_for(copied, what="copies")
    found = challenger(tried)
    assert found["shadow"]
    assert set(found["tried"]["shadow"]) <= {"answered", "dropped"}
    assert found["tried"]["same"] + found["tried"]["different"] == found["tried"]["shadow"]["answered"]
    assert "v2 is tried on copies of all requests: " in tried.run("status").ok().out

    tried.run("deploy", "--as", "challenger", "v2", "--split", "50%").ok()
    wait_for(lambda: ask(tried, url)["x-model-version"] == "v2", what="an answer of v2")
    answered = [ask(tried, url)["x-model-version"] for _ in range(40)]
    assert set(answered) == {"v1", "v2"}
    assert seen(tried, "split")()["answered"] >= answered.count("v2")
    assert "v2 is tried on 50 % of the requests: answered " in tried.run("status").ok().out

    (service,) = (each for each in tried.status()["services"] if each["name"] == "api-v2")
    victims = [process := psutil.Process(service["pid"]), *process.children(recursive=True)]
    for victim in victims:
        victim.kill()
    assert {ask(tried, url)["x-model-version"] for _ in range(60)} <= {"v1", "v2"}
    failed = seen(tried, "split")()
    assert failed.get("failed", 0) + failed.get("dropped", 0) > 0
    wait_for(lambda: ask(tried, url)["x-model-version"] == "v2", what="an answer of v2 that was started again")
