"""Logged predictions are replayed on the versions that answered them, whatever became of their environment, stack and log."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Field, Header, LogTable
from mlsandbox_serving.event_digest import digest_of
from support.churn import TRAIN
from support.sandbox import Sandbox, post
from support.waiting import wait_for

REQUESTS = 500
ROW = {"age": 41.0, "children": 2, "plan": "pro", "postcode": "00017"}


def _rows(number: int) -> list[dict[str, Any]]:
    """Of one request: one to three rows, no two requests alike."""
    return [
        ROW | {"age": 18 + (number * 7 + row) % 60 + number / 100, "children": number % 5, "plan": ("basic", "plus", "pro")[number % 3]}
        for row in range(1 + number % 3)
    ]


@pytest.fixture(scope="module")
def answered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A stack on which v1 answered requests, v2 was deployed and answered one, and which is stopped."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "home").mkdir()
    sandbox = Sandbox(folder / "project", folder / "home")
    shutil.copytree(template / "project", sandbox.root)
    sandbox.run("up").ok()
    url = sandbox.url
    for number in range(REQUESTS):
        assert post(f"{url}/predict", {"rows": _rows(number)}, {Header.REQUEST_ID: f"request-{number}"})[0] == 200
    sandbox.script(TRAIN, "churn", "0.01")
    sandbox.run("up").ok()
    assert post(f"{sandbox.url}/predict", {"rows": [ROW]}, {Header.REQUEST_ID: "of-v2"})[0] == 200
    wait_for(lambda: "of-v2" in sandbox.run("logs", "--requests", "-n", "1000").out, what="the last event in the log")
    sandbox.down()
    yield sandbox
    sandbox.down()


@pytest.fixture
def stopped(answered: Sandbox, tmp_path: Path) -> Iterator[Sandbox]:
    """The same for one test: its packages and its log are put back afterwards."""
    sandbox, kept = answered.root / ".sandbox", tmp_path / "kept"
    for name in ("data", "bentoml"):
        shutil.copytree(sandbox / name, kept / name)
    yield answered
    for name in ("data", "bentoml"):
        shutil.rmtree(sandbox / name)
        shutil.copytree(kept / name, sandbox / name)


def _database(sandbox: Sandbox) -> Path:
    (path,) = (sandbox.root / ".sandbox").rglob(LogTable.FILE)
    return path


def _edit(sandbox: Sandbox, request_id: str, **changes: Any) -> None:
    """Change one event where it is kept; with a hash of "anew" it gets the one that fits."""
    name, body, key = LogTable.NAME, LogTable.BODY, LogTable.REQUEST_ID
    with closing(sqlite3.connect(_database(sandbox))) as database, database:
        (text,) = database.execute(f"SELECT {body} FROM {name} WHERE {key} = ?", [request_id]).fetchone()  # noqa: S608 - names of the contract
        event = json.loads(text) | changes
        if event[Field.EVENT_HASH] == "anew":
            event[Field.EVENT_HASH] = digest_of(event)
        database.execute(f"UPDATE {name} SET {body} = ? WHERE {key} = ?", [json.dumps(event), request_id])  # noqa: S608 - as above


def test_all_requests_are_answered_as_logged_without_their_environment(stopped: Sandbox, tmp_path: Path) -> None:
    """After v2 came, the stack was stopped and the environments went, every answer must be the same again, each by its own version.

    A dry run must say before that the environment would be built, and build none.
    """
    without = replace(stopped, extra={"SANDBOX_CACHE_DIR": str(tmp_path / "cache")})
    planned = without.run("replay", "--dry-run", "-o", "json").ok().json
    assert {each["action"] for each in planned["plan"]} == {"build", "ask"}
    assert not (tmp_path / "cache").exists()

    result = without.run("replay", "-o", "json").ok().json

    assert result["events"] > REQUESTS  # there are example rows, too, by which `up` proves that a version answers
    assert result["counts"] == {"equal": result["events"], "within-tolerance": 0, "cannot": 0, "different": 0, "tampered": 0}
    assert result["unsealed"] == 0
    assert {each["version"]: each["counts"]["equal"] > 0 for each in result["packages"]} == {"v1": True, "v2": True}


def test_one_request_or_a_sample_is_replayed(stopped: Sandbox) -> None:
    """A request must be found by its id, and a sample be the same again by the seed that was told."""
    one = stopped.run("replay", "request-7").ok()
    assert "1 logged request (2 rows compared)" in one.out
    assert one.out.splitlines()[-1] == "✓ all 1 answered as logged"

    sample = stopped.run("replay", "--sample", "5", "--version", "v1").ok()
    (seed,) = re.findall(r"--sample 5 --seed (\d+)", sample.out)
    again = stopped.run("replay", "--sample", "5", "--version", "v1", "--seed", seed, "-o", "json").ok().json
    assert (again["events"], again["seed"], again["counts"]["equal"]) == (5, int(seed), 5)

    assert "the newest 1 of more" in stopped.run("replay", "--since", "99999999d", "--limit", "1").ok().out

    nothing = stopped.run("replay", "never-asked")
    assert nothing.code == 1
    assert "no prediction is logged of request never-asked" in nothing.err


def test_a_changed_event_is_named(stopped: Sandbox) -> None:
    """An event that was edited in the log must be told as such, and no other one."""
    _edit(stopped, "request-3", **{Field.PREDICTIONS: ["edited"]})

    result = stopped.run("replay", "--limit", "1000", "-o", "json")

    assert result.code == 3
    assert result.json["counts"]["tampered"] == 1
    assert result.json["counts"]["different"] == result.json["counts"]["cannot"] == 0
    assert [each["request_id"] for each in result.json["others"]] == ["request-3"]


def test_an_answer_that_differs_is_shown_with_its_numbers(stopped: Sandbox) -> None:
    """An event that is not what the package answers, and whose digest was made anew for that, must be found by the answer itself."""
    _edit(stopped, "request-3", **{Field.PROBABILITIES: [[0.5, 0.5]], Field.EVENT_HASH: "anew"})

    result = stopped.run("replay", "request-3")

    assert result.code == 3
    assert "different request-3  churn v1" in result.out
    assert "row 0: probability of 'leaves' 0.5 logged, " in result.out
    assert result.out.splitlines()[-1] == "✗ 0 of 1 answered as logged; 1 different"


def test_a_package_that_was_changed_or_removed_answers_nothing(stopped: Sandbox) -> None:
    """Of a changed or removed package nothing may be run; its requests must be told with the reason, and be bad only when asked so."""
    bentos = stopped.root / ".sandbox" / "bentoml" / "bentos" / "churn"
    with (bentos / "v1" / "src" / "mlsandbox_serving" / "golden.py").open("a") as file:
        file.write("\n")
    shutil.rmtree(bentos / "v2")

    result = stopped.run("replay").ok()

    assert "cannot, because churn:v1 is not what was packaged" in result.out
    assert re.search(r"cannot, because the package v2 \(digest [0-9a-f]{12}\) is not here: it was removed", result.out)
    assert "could not be replayed: not shown to be equal" in result.err
    assert stopped.run("replay", "--strict").code == 3


def test_five_places_name_the_same_package(saved: Sandbox) -> None:
    """Answer, metrics, event and the labels of the bento must name one version and one digest, errors too."""
    saved.run("up").ok()
    _, _, headers = post(f"{saved.url}/predict", ROW, {Header.REQUEST_ID: "named"})
    status, _, refused = post(f"{saved.url}/predict", {"age": "old"})
    with urllib.request.urlopen(f"{saved.url}/metrics") as answer:  # noqa: S310 - our own port
        metrics = answer.read().decode()
    (event,) = wait_for(lambda: saved.run("logs", "--id", "named", "-o", "json").json["events"], what="the event")
    (info,) = re.findall(r"^sandbox_model_info\{(.*)\} 1\.0$", metrics, re.MULTILINE)

    version, digest = event[Field.VERSION], event[Field.DIGEST]
    labels = (saved.root / ".sandbox" / "bentoml" / "bentos" / "churn" / version / "bento.yaml").read_text()
    assert status == 422
    assert digest.startswith("sha256:")
    for given in (headers, refused):
        assert (given[Header.MODEL_VERSION], given[Header.PACKAGE_DIGEST]) == (version, digest)
    assert f'version="{version}"' in info
    assert f'digest="{digest}"' in info
    assert f"org.mlsandbox.version: {version}" in labels
    assert f"org.mlsandbox.digest: {digest}" in labels
