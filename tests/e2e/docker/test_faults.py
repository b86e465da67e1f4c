"""What goes wrong around a model must cost no prediction and no event, and mend itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.docker_stack import DockerSandbox, docker
from support.load import Load
from support.sandbox import get, post
from support.waiting import wait_for

OUTAGE_SECONDS = 60.0
CUT_SECONDS = 15.0


@pytest.fixture(scope="module")
def stack(make_docker: Callable[..., DockerSandbox]) -> Iterator[DockerSandbox]:
    """A full stack of this module's own."""
    sandbox = make_docker("e2e-faults")
    sandbox.run("up", timeout=600).ok()
    yield sandbox
    sandbox.run("down").ok()


FIT = 1_000
"""Events that fit the small disk while nobody takes them from it."""
SMALL_DISK = """\
volumes:
  fluentd:
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=4m,mode=1777"}
"""


def _healthy(stack: DockerSandbox) -> None:
    wait_for(lambda: stack.status()["state"] == "healthy", timeout=120, every=1, what=f"a healthy stack: {stack.states()}")


def _nothing_lost(stack: DockerSandbox, load: Load) -> None:
    """Every answered request must be found, and only once."""
    wanted = set(load.answered)

    def found() -> list[str]:
        return [event["http.request.id"] for event in stack.events("-n", "100000") if event["http.request.id"] in wanted]

    wait_for(lambda: wanted <= set(found()), every=1, what="all events")
    assert len(found()) == len(wanted)


def test_elasticsearch_paused(stack: DockerSandbox, row: dict[str, object]) -> None:
    """Elasticsearch that hangs for a minute must cost nothing: events wait in Fluentd."""
    with Load(stack.url, row) as load:
        docker("pause", stack.containers()["elasticsearch"])
        try:
            load.go_on(OUTAGE_SECONDS)
        finally:
            docker("unpause", stack.containers()["elasticsearch"])
    assert not load.failed
    _nothing_lost(stack, load)
    _healthy(stack)


def test_fluentd_killed(stack: DockerSandbox, row: dict[str, object]) -> None:
    """Fluentd that is killed must come back by itself; what it had not acknowledged is sent again."""
    with Load(stack.url, row) as load:
        before = stack.inspect("fluentd")["RestartCount"]
        stack.crash("fluentd")
        wait_for(lambda: stack.inspect("fluentd")["RestartCount"] > before, every=0.2, what="a restart")
    assert not load.failed
    _nothing_lost(stack, load)
    _healthy(stack)


def test_network_cut(stack: DockerSandbox, row: dict[str, object]) -> None:
    """Without a network between model and Fluentd predictions must go on, and events arrive once it is back."""
    fluentd, network = stack.containers()["fluentd"], f"{stack.name}_back"
    with Load(stack.url, row) as load:
        docker("network", "disconnect", network, fluentd)
        try:
            load.go_on(CUT_SECONDS)
        finally:
            docker("network", "connect", "--alias", "fluentd", network, fluentd)
    assert not load.failed
    _nothing_lost(stack, load)
    _healthy(stack)


def _prometheus_ready(stack: DockerSandbox) -> bool:
    try:
        return get(f"{stack.prometheus}/-/ready")[0] == 200
    except OSError:
        return False


def test_prometheus_restarted(stack: DockerSandbox, row: dict[str, object]) -> None:
    """Prometheus that is restarted must keep what it had measured."""
    query = "sum(sandbox_requests_total offset 5s)"
    wait_for(lambda: stack.query(query), every=1, what="measured requests")
    with Load(stack.url, row) as load:
        docker("restart", stack.containers()["prometheus"])
        wait_for(lambda: _prometheus_ready(stack), every=0.5, what="Prometheus")
        wait_for(lambda: stack.query("count_over_time(sandbox_requests_total[5m]) > 3"), every=1, what="old samples")
    assert not load.failed
    _healthy(stack)


def test_buffer_disk_full(make_docker: Callable[..., DockerSandbox], row: dict[str, object]) -> None:
    """A Fluentd whose disk is full must take no more; events wait in the model's spool and arrive once there is room."""
    stack = make_docker("e2e-small-disk")
    (stack.root / "compose.override.yaml").write_text(SMALL_DISK)
    stack.run("up", timeout=600).ok()
    fluentd = stack.containers()["fluentd"]
    docker("pause", stack.containers()["elasticsearch"])
    try:
        with Load(stack.url, row, limit=FIT) as load:
            docker("exec", fluentd, "sh", "-c", "head -c 16000000 /dev/zero > /var/lib/sandbox/fluentd/filler || true")
            load.go_on(CUT_SECONDS)
    finally:
        docker("exec", fluentd, "sh", "-c", "rm -f /var/lib/sandbox/fluentd/filler")
        docker("unpause", stack.containers()["elasticsearch"])
    assert not load.failed
    _nothing_lost(stack, load)
    _healthy(stack)
    stack.run("down", "--volumes", "--yes").ok()


def test_engine_restarted(stack: DockerSandbox, row: dict[str, object], restart_docker: Callable[[], None]) -> None:
    """After a restart of Docker itself the stack must be healthy again by itself, with every answered request's event."""
    with Load(stack.url, row) as load:
        load.go_on(2.0)
        restart_docker()
    _healthy(stack)
    assert post(f"{stack.url}/predict", row)[0] == 200
    _nothing_lost(stack, load)


def test_down_after_all_that(stack: DockerSandbox) -> None:
    """`down` must leave no container and no network, and list what it keeps; then `up` finds the old events."""
    logged = len(stack.events("-n", "100000"))

    kept = stack.run("down", "-o", "json").ok().json["kept_outside"]

    assert set(stack.left()) == {"volumes", "images"}
    assert set(stack.left()["volumes"]) == {each["name"] for each in kept if each["kind"] == "volume"}
    stack.run("up", timeout=600).ok()
    assert len(stack.events("-n", "100000")) >= logged
