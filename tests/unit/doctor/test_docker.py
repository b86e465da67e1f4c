"""What each fact about Docker means, and the remedy that comes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlsandbox.doctor.base import Finding, Verdict
from mlsandbox.doctor.docker_facts import DockerFacts
from mlsandbox.doctor.docker_judge import Needs, judge

GB = 1_000_000_000
FACTS = DockerFacts(
    endpoint="unix:///var/run/docker.sock",
    context="default",
    version="26.1.5+dfsg1",
    architecture="x86_64",
    compose="2.26.1-4",
    storage="/var/lib/docker",
    free_bytes=80 * GB,
    memory_bytes=16 * GB,
    available_bytes=9 * GB,
)
"""A machine on which the whole stack can run."""
NEEDS = Needs(images=(("prom/prometheus:v3", "grafana/grafana:11"), ()))
MISSING = replace(NEEDS, images=(("prom/prometheus:v3",), ("grafana/grafana:11",)))


def found(needs: Needs = NEEDS, **facts: Any) -> dict[str, Finding]:
    """Findings by their check, the last one of each."""
    return {each.check: each for each in judge(replace(FACTS, **facts), needs)}


def test_a_machine_that_is_fit() -> None:
    """All must be well, with what was seen: version, architecture, endpoint, context, room and images."""
    findings = found()

    assert {each.verdict for each in findings.values()} == {Verdict.OK}
    assert findings["docker"].message == "Engine 26.1.5+dfsg1 (x86_64) answers at unix:///var/run/docker.sock, context default"
    assert findings["docker disk"].message == "80.0 GB free in /var/lib/docker"
    assert findings["images"].message == "all 2 for programs of the full stack are here"


@pytest.mark.parametrize(
    ("facts", "check", "verdict", "words", "remedy"),
    [
        ({"version": "24.0.7"}, "docker", Verdict.PROBLEM, "too old", "25 or later"),
        ({"architecture": "riscv64"}, "docker", Verdict.PROBLEM, "no images for riscv64", "--engine embedded"),
        ({"endpoint": "ssh://me@example.org"}, "docker", Verdict.OK, "answers at ssh://", None),
        ({"compose": None}, "compose", Verdict.PROBLEM, "no Compose plugin", "docs.docker.com/compose"),
        ({"compose": "v2.19.1"}, "compose", Verdict.PROBLEM, "2.19.1 is too old", "upgrade"),
        ({"compose": "5.0.0"}, "compose", Verdict.OK, "Compose 5.0.0", None),
        ({"client": False}, "compose", Verdict.PROBLEM, "not on PATH", "install"),
        ({"free_bytes": GB // 2}, "docker disk", Verdict.WARNING, "0.5 GB free", "docker image prune"),
        ({"free_bytes": None}, "docker disk", Verdict.INFO, "not seen from here", None),
        ({"memory_bytes": 2 * GB}, "docker memory", Verdict.PROBLEM, "has 2.0 GB", "--profile lite"),
        ({"available_bytes": 2 * GB}, "docker memory", Verdict.WARNING, "2.0 GB of memory are free", "--profile lite"),
        ({"available_bytes": None}, "docker memory", Verdict.OK, "16.0 GB in all", None),
        ({"limits_memory": False}, "docker memory", Verdict.WARNING, "memory limits", "cgroup_enable=memory"),
    ],
)
def test_what_is_not_fit(facts: dict[str, Any], check: str, verdict: Verdict, words: str, remedy: str | None) -> None:
    """Each shortcoming must be told with its verdict, what was seen, and what to do."""
    finding = found(**facts)[check]

    assert finding.verdict is verdict
    assert words in finding.message
    assert finding.remedy is None if remedy is None else remedy in (finding.remedy or "")


@pytest.mark.parametrize(
    ("endpoint", "remote"),
    [
        ("unix:///run/user/1000/docker.sock", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://docker.example.org:2376", True),
        ("ssh://me@example.org", True),
        ("10.0.0.5:2375", True),
    ],
)
def test_an_engine_elsewhere(endpoint: str, *, remote: bool) -> None:
    """An engine of another machine must be a problem, since files are handed to containers; the remedy must undo what chose it."""
    problems = [each for each in judge(replace(FACTS, endpoint=endpoint, context=None), NEEDS) if each.verdict is Verdict.PROBLEM]

    assert [("another machine" in each.message, "unset DOCKER_HOST" in (each.remedy or "")) for each in problems] == [(True, True)] * remote


def test_missing_images_need_room() -> None:
    """Images that are missing must be named, and need the room that all of them take: less for the lite stack."""
    findings = found(MISSING, free_bytes=3 * GB)

    assert findings["images"].message == "1 of 2 for programs of the full stack are missing: grafana/grafana:11"
    assert "sandbox pull" in (findings["images"].remedy or "")
    assert findings["docker disk"].verdict is Verdict.PROBLEM
    assert "--profile lite" in (findings["docker disk"].remedy or "")
    assert found(replace(MISSING, profile="lite"), free_bytes=3 * GB)["docker disk"].verdict is Verdict.OK


def test_a_running_stack_has_its_memory() -> None:
    """What a running stack uses must not be counted against it."""
    assert found(replace(NEEDS, running=True), available_bytes=GB)["docker memory"].verdict is Verdict.OK


def test_a_proxy_that_the_engine_lacks() -> None:
    """A proxy of the shell must be a warning when images are to be pulled and the engine has none; its address must not be shown."""
    assert found(MISSING, shell_proxy="HTTPS_PROXY")["docker proxy"].verdict is Verdict.WARNING
    assert "docker proxy" not in found(MISSING, shell_proxy="HTTPS_PROXY", engine_proxy=True)
    assert "docker proxy" not in found(NEEDS, shell_proxy="HTTPS_PROXY")


@pytest.mark.parametrize(
    ("problem", "words", "remedy"),
    [
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "this user may not talk to it", "usermod -aG docker"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))", "nothing is there", "start it"),
        ("ConnectionRefusedError(111, 'Connection refused')", "nothing listens there", "start it"),
        ("Read timed out. (read timeout=5)", "no answer in time", "start it"),
        ("something else", "something else", "start it"),
    ],
)
def test_no_answer(problem: str, words: str, remedy: str) -> None:
    """An engine that was asked for and does not answer must be a problem in plain words; else it is only told that it is not needed."""
    (finding,) = judge(replace(FACTS, problem=problem), replace(NEEDS, named=True))
    (mild,) = judge(replace(FACTS, problem=problem), NEEDS)

    assert finding.verdict is Verdict.PROBLEM
    assert f"{FACTS.endpoint}: {words}" in finding.message
    assert remedy in (finding.remedy or "")
    assert "--engine embedded" in (finding.remedy or "")
    assert (mild.verdict, mild.remedy) == (Verdict.INFO, None)


def test_no_answer_where_the_stack_ran() -> None:
    """When Docker ran the project's stack before, its silence must be a warning with a remedy."""
    (finding,) = judge(replace(FACTS, problem="Connection refused"), replace(NEEDS, ran=True))

    assert finding.verdict is Verdict.WARNING
    assert finding.message.endswith("nothing listens there; the stack ran on it before")
    assert "start it" in (finding.remedy or "")


def test_an_installation_that_is_missing() -> None:
    """Without the command the remedy must be to install it."""
    (finding,) = judge(replace(FACTS, problem="No such file or directory", client=False), replace(NEEDS, named=True))
    (mild,) = judge(replace(FACTS, problem="No such file or directory", client=False), NEEDS)

    assert "docs.docker.com" in (finding.remedy or "")
    assert "not installed" in mild.message


def test_a_context_that_is_gone() -> None:
    """The remedy that is known with the problem must be shown."""
    (finding,) = judge(DockerFacts("", None, "there is no Docker context x", "docker context ls"), replace(NEEDS, named=True))

    assert (finding.message, finding.remedy) == ("there is no Docker context x", "docker context ls")
