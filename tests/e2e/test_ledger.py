"""The ledger of a project that really runs: what its commands tell is what happened, and what answers says the same."""

from __future__ import annotations

import json
import re
import signal

from support.churn import TRAIN
from support.sandbox import Sandbox, get, post


def test_what_answered_is_known(saved: Sandbox) -> None:
    """After v1, v2 and a rollback each command must tell the story as it was, with the stack up and down, and say when it was changed."""
    saved.run("up").ok()
    saved.script(TRAIN, "churn", "0.01")
    saved.run("up", "--reason", "fits better").ok()
    saved.run("rollback", "--reason", "too many errors").ok()

    entries = saved.run("history", "-o", "json").ok().json["entries"]
    assert [(each["action"], each["version"]) for each in entries] == [
        *(("packaged", "v1"), ("deployed", "v1"), ("stopped", "v1")),  # where the project was made
        *(("started", "v1"), ("packaged", "v2"), ("deployed", "v2"), ("rolled-back", "v1")),
    ]
    assert [each["reason"] for each in entries[4:]] == ["fits better", "fits better", "too many errors"]
    assert all("@" in each["by"] for each in entries)
    for entry in entries:
        if entry["action"] not in {"packaged", "stopped"}:
            (then,) = saved.run("history", "--at", entry["time"], "-o", "json").ok().json["models"]
            assert then["answered"][-1]["version"] == entry["version"]
    (row,) = saved.run("where", "-o", "json").ok().json["models"]
    assert (row["version"], row["action"], row["problem"], row["endpoint"]) == ("v1", "rolled-back", None, saved.url)
    versions = {each["version"]: each for each in saved.run("versions", "-o", "json").ok().json["versions"]}
    assert versions["v1"]["role"] == "champion"
    assert {each["version"] for each in versions.values() if each["since"]} == {"v1"}
    differences = saved.run("show", "v1", "v2", "-o", "json").ok().json["differences"]
    assert [(each["name"], each["what"]) for each in differences["metrics"]] in ([("accuracy", "changed")], [])
    assert any(each["name"].endswith("C") for each in differences["parameters"])
    assert differences["distributions"] == differences["columns"] == []

    saved.down()
    assert saved.run("ledger", "verify", "-o", "json").ok().json["entries"] == len(entries) + 1
    assert "nobody answers; v1 did until" in saved.run("where").ok().out

    ledger = saved.root / ".sandbox" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("fits better", "is smaller", 1))
    broken = saved.run("ledger", "verify")
    assert (broken.code, "line 5 was changed after it was written" in broken.err) == (3, True)


def test_all_places_name_the_same_package(saved: Sandbox) -> None:
    """The ledger, the header of an answer, the metric, the event, and the package's labels must name one version and one digest."""
    saved.run("up").ok()
    url = saved.url
    status, _, headers = post(f"{url}/predict", {"age": 40.0, "children": 1, "plan": "pro", "postcode": "00017"})
    answered = {name.lower(): value for name, value in headers.items()}

    (row,) = saved.run("where", "-o", "json").ok().json["models"]
    version, digest = row["version"], row["digest"]

    assert status == 200
    assert (answered["x-model-version"], answered["x-package-digest"]) == (version, digest)
    info = next(line for line in get(f"{url}/metrics")[1].splitlines() if line.startswith("sandbox_model_info{"))
    assert f'version="{version}"' in info
    assert digest in info
    logged = saved.run("logs", "--id", answered["x-request-id"], "-o", "json").ok().out
    assert digest in logged
    bento = (saved.root / ".sandbox/bentoml/bentos/churn" / version / "bento.yaml").read_text()
    assert re.sub(r"\s+", "", digest) in re.sub(r"\s+", "", bento)


def test_a_stack_that_vanished(saved: Sandbox) -> None:
    """When something else than `down` ended the stack, `where` must say that ledger and what answers disagree, and `up` write it down."""
    saved.run("up").ok()
    for process in saved.processes():
        process.send_signal(signal.SIGKILL)
    saved.gone()

    found = saved.run("where", "-o", "json")

    assert found.code == 3
    assert "does not run" in json.loads(found.out)["models"][0]["problem"]

    saved.run("up").ok()
    entries = [json.loads(line)["entry"] for line in (saved.root / ".sandbox/ledger.jsonl").read_text("utf-8").splitlines()]
    assert [each["action"] for each in entries[-2:]] == ["stopped", "started"]
    assert "found not running" in entries[-2]["reason"]
