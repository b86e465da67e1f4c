"""Versions change behind the gateway, under load, and nobody who asks notices but by the version that an answer names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest

from support.broken_package import break_module
from support.docker_stack import DockerSandbox
from support.witness import Witness, contradictions, ledger


@pytest.fixture
def up(make_docker: Callable[..., DockerSandbox]) -> DockerSandbox:
    """The example in a few containers, with another model in its files that was never packaged."""
    sandbox = make_docker("e2e-switch", SANDBOX_PROFILE="lite", SANDBOX_EXCLUDE="drift,prometheus,alertmanager,grafana")
    sandbox.run("up", timeout=600).ok()
    script = sandbox.root / "train.py"
    script.write_text(re.sub(r"max_iter=\d+", "max_iter=40", script.read_text()))
    sandbox.script("import runpy; runpy.run_path('train.py', run_name='__main__')")
    return sandbox


def test_there_and_back_under_load(up: DockerSandbox, row: Mapping[str, object], rounds: int) -> None:
    """Over `up`, `rollback` and `promote` no request may fail, and each answer must be of a version that the ledger has at that time.

    What a version answered whose container is gone must be had again, and a new version that crashes at its start must leave the one
    that answers alone.
    """
    with Witness(int(up.url.rpartition(":")[2]), row) as witness:
        up.run("up", "--warm", timeout=600).ok()
        for _ in range(rounds):
            witness.more(200)
            up.run("rollback", timeout=300).ok()
            witness.more(200)
            up.run("promote", "v2", timeout=300).ok()
        witness.more(200)

    assert witness.failed == []
    assert witness.versions == ["v1", "v2"]
    assert contradictions(witness.seen, ledger(up.root), "employment") == []

    up.run("retire", "v1").ok()
    replayed = up.run("replay", "--version", "v1", "--sample", "50", "--strict", "-o", "json", timeout=300).ok().json
    assert replayed["counts"]["equal"] == replayed["events"] == 50

    before = up.containers()
    script = up.root / "train.py"
    script.write_text(script.read_text().replace("max_iter=40", "max_iter=30"))
    up.script("import runpy; runpy.run_path('train.py', run_name='__main__')")
    up.run("pull", "--engine", "embedded").ok()  # packaged, and no image made yet
    break_module(up.root / ".sandbox/bentoml/bentos/employment/v3", "golden.py")
    with Witness(int(up.url.rpartition(":")[2]), row, connections=8) as witness:
        result = up.run("up", timeout=600)
        witness.more(100)

    assert result.code == 1
    assert "v2" in result.err
    assert (witness.failed, witness.versions) == ([], ["v2"])
    assert up.containers() == before
