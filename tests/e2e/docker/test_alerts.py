"""A model that died is told of."""

from __future__ import annotations

from support.docker_stack import DockerSandbox, docker
from support.waiting import wait_for


def _active(full: DockerSandbox) -> set[str]:
    return {alert["name"] for alert in full.status()["alerts"]}


def test_a_dead_model_must_raise_an_alert_that_resolves(full: DockerSandbox) -> None:
    """`docker kill` of the model must fire an alert, seen in status and in the receiver; `up` must end both."""
    docker("kill", full.containers()["api-v1"])
    wait_for(lambda: "SandboxServiceDown" in _active(full), every=1, what="the alert")

    full.run("up").ok()

    wait_for(lambda: "SandboxServiceDown" not in _active(full), every=1, what="the end of the alert")
    told = {"alert firing: SandboxServiceDown", "alert resolved: SandboxServiceDown"}
    wait_for(lambda: all(each in _output(full) for each in told), every=1, what="both lines of the receiver")


def _output(full: DockerSandbox) -> str:
    return full.run("logs", "shipper", "-n", "1000").ok().out
