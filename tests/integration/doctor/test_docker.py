"""Docker's checks on the real engine, and where none is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.doctor.base import Examined, Finding, Verdict
from mlsandbox.doctor.docker import DockerCheck
from mlsandbox.doctor.docker_facts import look_at_docker
from support.docker_rig import DockerRig

Examine = Callable[..., dict[str, Finding]]


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    """Findings about Docker for a project with some settings, by their check."""

    def run(settings: str) -> dict[str, Finding]:
        (tmp_path / "model.onnx").touch()
        (tmp_path / "sandbox.toml").write_text(f'name = "churn"\n[models.churn]\npath = "model.onnx"\n{settings}')
        return {each.check: each for each in DockerCheck().run(Examined(tmp_path))}

    return run


@pytest.mark.docker
def test_the_engine_is_seen(docker_rig: DockerRig) -> None:
    """All facts must be there: version, architecture, Compose, storage, memory."""
    facts = look_at_docker()

    assert docker_rig.images
    assert facts.problem == ""
    assert facts.endpoint
    assert facts.version.split(".")[0].isdigit()
    assert facts.architecture
    assert facts.compose
    assert facts.memory_bytes > 0


@pytest.mark.docker
def test_a_stack_of_containers(examine: Examine, docker_rig: DockerRig) -> None:
    """Images that are here and those that are not must be told apart; an image that no stack has must be a problem."""
    here = {key: reference for key, reference in docker_rig.images.items() if key in {"prometheus", "alertmanager", "grafana"}}
    images = "[stack.images]\n" + "".join(f'{key} = "{reference}"\n' for key, reference in here.items())
    stack = '[stack]\nengine = "docker"\nprofile = "lite"\n'

    assert examine(stack + images)["docker"].verdict is Verdict.OK
    assert examine(stack + images)["images"].verdict is Verdict.OK
    missing = examine(stack + images.replace(here["grafana"], "sandbox-test/nowhere:1"))["images"]
    assert (missing.verdict, "sandbox-test/nowhere:1" in missing.message) == (Verdict.INFO, True)
    wrong = examine(stack + '[stack.images]\nkibana = "kibana:8"\n')["images"]
    assert (wrong.verdict, "kibana" in wrong.message) == (Verdict.PROBLEM, True)


def test_no_engine(examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing answers, that must be a problem for a stack of containers alone."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nothing.sock'}")

    assert examine('[stack]\nengine = "docker"\n')["docker"].verdict is Verdict.PROBLEM
    assert examine("")["docker"].verdict is Verdict.INFO
    assert examine('[stack]\nengine = "embedded"\n')["docker"].verdict is Verdict.INFO


def test_a_context_that_is_gone(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that is not there must be named, with the command that lists them."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "no-such-context")

    finding = examine('[stack]\nengine = "docker"\n')["docker"]

    assert "no-such-context" in finding.message
    assert "docker context ls" in (finding.remedy or "")
