"""What `docker inspect` says, as states and reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlsandbox.engines.docker_observe import Container, Recorded, container_of, current, observed_of, plain, utc, with_body
from mlsandbox.supervise.transition import State

STARTED = "2026-11-25T20:00:00.123456789Z"
BODY = {"ready": False, "reason": "the model is being loaded", "final": False}


def _details(name: str = "api", *, health: str = "", output: str = "", asked: str = "2026-11-25T20:00:09Z", **state: Any) -> dict[str, Any]:
    """A container that runs; `state` is what differs."""
    known: dict[str, Any] = {"Status": "running", "Pid": 41, "ExitCode": 0, "StartedAt": STARTED, "FinishedAt": "0001-01-01T00:00:00Z"}
    if health:
        known["Health"] = {"Status": health, "Log": [{"Start": asked, "End": asked, "ExitCode": 1, "Output": output}]}
    if state.get("Status", "running") in {"exited", "restarting", "created", "dead"}:
        known |= {"Pid": 0, "FinishedAt": "2026-11-25T20:01:00Z"}
    return {
        "Id": f"{name}-id",
        "Name": f"/churn-{name}-1",
        "Created": "2026-11-25T20:00:00Z",
        "RestartCount": 0,
        "State": known | state,
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}, "PortBindings": {"7310/tcp": [{"HostIp": "", "HostPort": "7310"}]}},
        "Config": {
            "Labels": {
                "com.docker.compose.project": "churn",
                "com.docker.compose.service": name,
                "org.mlsandbox.digest": "d1",
            },
            "Env": ["SANDBOX_STACK_ID=5eed", "EMPTY="],
            "Healthcheck": {"Test": ["CMD", "python", "-m", "mlsandbox_serving.healthcheck", "7310", "/readyz"]},
        },
    }


def _container(**given: Any) -> Container:
    return container_of(_details(**given), {})


@pytest.mark.parametrize(
    ("given", "state", "reason"),
    [
        ({}, State.READY, ""),
        ({"health": "healthy", "output": json.dumps({"ready": True})}, State.READY, ""),
        ({"health": "starting", "output": json.dumps(BODY)}, State.STARTING, "the model is being loaded"),
        ({"health": "unhealthy", "output": json.dumps(BODY)}, State.UNREADY, "the model is being loaded"),
        ({"health": "starting", "output": json.dumps({**BODY, "final": True})}, State.REFUSED, "the model is being loaded"),
        ({"health": "unhealthy", "output": "wget: connection refused\n"}, State.UNREADY, "wget: connection refused"),
        ({"health": "unhealthy"}, State.UNREADY, "its health check fails"),
        ({"health": "unhealthy", "output": "[" * 4_000}, State.UNREADY, "[" * 200),
        ({"Status": "paused"}, State.UNREADY, "it is paused"),
        ({"Status": "restarting", "ExitCode": 3}, State.BACKOFF, "ended with exit code 3; it is started again"),
        ({"Status": "exited", "ExitCode": 3}, State.FAILED, "ended with exit code 3"),
        ({"Status": "exited", "ExitCode": 137}, State.FAILED, "ended by signal 9"),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, State.FAILED, "it used more memory than it may, and was ended"),
        ({"Status": "exited", "ExitCode": 0}, State.STOPPED, "it was stopped"),
        ({"Status": "exited", "ExitCode": 143}, State.STOPPED, "it was stopped"),
        ({"Status": "created"}, State.PENDING, "waits for what it needs"),
        ({"Status": "created", "Error": "no such device", "ExitCode": 128}, State.FAILED, "no such device"),
        ({"Status": "removing"}, State.STOPPING, ""),
        ({"Status": "dead"}, State.FAILED, "ended with exit code 0"),
    ],
)
def test_states(given: dict[str, Any], state: State, reason: str) -> None:
    """Every state of a container must have a state and a reason here."""
    service = _container(**given).service

    assert (service.state, service.reason) == (state, reason)


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, State.STARTING),
        ({"Status": "exited", "ExitCode": 0}, State.READY),
        ({"Status": "exited", "ExitCode": 1}, State.FAILED),
        ({"Status": "exited", "ExitCode": 143}, State.FAILED),
    ],
)
def test_runs_once(given: dict[str, Any], state: State) -> None:
    """What runs to its end is ready when it has ended well."""
    details = _details(**given)
    details["HostConfig"]["RestartPolicy"] = {"Name": "no"}

    assert container_of(details, {}).service.state is state


def test_answer_of_an_earlier_start() -> None:
    """What a health check heard before the container was started anew must not count."""
    service = _container(health="starting", output=json.dumps({**BODY, "final": True}), asked="2026-11-25T20:59:59+01:00").service

    assert (service.state, service.probe) == (State.STARTING, None)


def test_a_long_answer_is_asked_for_again() -> None:
    """An answer that the engine cut must be had whole: whether waiting helps may be behind the cut."""
    body = {**BODY, "padding": "x" * 5_000, "final": True}
    cut = _container(health="starting", output=json.dumps(body)[:4_000])
    assert (cut.service.state, cut.cut_answer) == (State.STARTING, ("7310", "/readyz"))

    whole = with_body(cut, json.dumps(body))

    assert (whole.service.state, whole.service.reason, whole.cut_answer) == (State.REFUSED, "the model is being loaded", ())
    assert with_body(cut, "gone") == cut


def test_what_was_written_down() -> None:
    """What a container was made from counts as long as it is this container that it was written down of."""
    ports = {"api": 7310, "metrics": 7311}
    same = container_of(_details(), {"api": Recorded("d1", {"command": "serve"}, ports)}).service
    other = container_of(_details(), {"api": Recorded("d2", {"command": "serve"}, ports)}).service

    assert (same.recipe, same.ports) == ({"command": "serve"}, ports)
    assert (other.recipe, other.ports) == ({}, {"api": 7310})


def test_one_container_for_each_service() -> None:
    """While a container is being replaced the newer one is the service."""
    old, new = _details(), _details() | {"Id": "new", "Created": "2026-11-25T20:05:00Z"}

    assert [each.id for each in current([container_of(each, {}) for each in (new, old)])] == ["new"]


def test_stack() -> None:
    """A stack is told in the order in which it was written down; it runs as long as something of it is not simply stopped."""
    api, store = _container(), _container(name="log-store", Status="exited", ExitCode=143)

    both = observed_of([api, store], ["log-store", "api"])

    assert [service.name for service in both.services] == ["log-store", "api"]
    assert (both.running, both.stack_id, both.started) == (True, "5eed", "2026-11-25T20:00:00.123Z")
    assert not observed_of([store]).running
    assert not observed_of([]).running


@pytest.mark.parametrize(
    "text",
    [
        "driver failed programming external connectivity on endpoint a (1f): Bind for 127.0.0.1:7310 failed: port is already allocated",
        "failed to bind port 127.0.0.1:7310/tcp: Error starting userland proxy: listen tcp4 127.0.0.1:7310: bind: address already in use",
    ],
)
def test_taken_port(text: str) -> None:
    """Each way in which the engine tells of a taken port must be told in the same words."""
    assert plain(text) == "port 7310 on this machine is taken by another process"
    assert plain("no such device") == "no such device"


def test_times() -> None:
    """Times must be UTC with milliseconds, whatever the engine's zone and precision."""
    assert utc("2026-11-25T21:00:00.123987654+01:00") == "2026-11-25T20:00:00.123Z"
