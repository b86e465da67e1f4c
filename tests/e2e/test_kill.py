"""Killed at any point, the next `up` recovers: no orphan process, no lost port, no lost event."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import psutil
import pytest

from support.sandbox import Sandbox, post
from support.waiting import wait_for

ROW = {"age": 40.0, "children": 2, "plan": "pro", "postcode": "00017"}


def predict(url: str, ids: list[str], number: int) -> None:
    """Send `number` requests and note the ids of those that were answered."""
    for _ in range(number):
        status, answer, _ = post(url + "/predict", ROW)
        assert status == 200, answer
        ids.append(answer["request_id"])


def logged(sandbox: Sandbox) -> list[str]:
    """Ids of all requests in the log store, as often as they are there."""
    out = sandbox.run("logs", "--requests", "-n", "100000", "-o", "jsonl").ok().out
    return [
        line.split('"http.request.id":')[1].split('"')[1]
        for line in out.splitlines()
        if '"http.request.id":' in line.replace('": "', '":"')
    ]


def must_hold_once_each(sandbox: Sandbox, ids: list[str]) -> None:
    """Every answered request must be in the log store, exactly once."""

    def complete() -> bool:
        held = logged(sandbox)
        return len(held) == len(set(held)) and set(ids) <= set(held)

    wait_for(complete, every=0.3, what=f"{len(ids)} requests in the log store, once each")


def test_up_must_recover_from_its_own_death_at_any_point(saved: Sandbox) -> None:
    """Kill -9 of the command at ten points of `up` must leave nothing that the next `up` cannot put right, at the same address."""
    started = time.monotonic()
    saved.run("up").ok()
    span = time.monotonic() - started
    url = saved.url
    saved.down().ok()

    for point in range(10):
        process = saved.start("up")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=span * (point + 0.5) / 10)
        process.kill()
        process.communicate()
        saved.run("up").ok()
        assert saved.url == url
        assert post(url + "/predict", ROW)[0] == 200
        saved.down().ok()


def test_the_first_up_must_recover_from_its_own_death_while_packaging(trained: Sandbox) -> None:
    """Kill -9 of the command while it locks, installs and builds must leave no process and no half package."""
    for delay in (0.4, 1.0, 2.0, 4.0):
        process = trained.start("up")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=delay)
        process.kill()
        process.communicate()
    trained.run("up").ok()
    assert post(trained.url + "/predict", ROW)[0] == 200


def test_a_killed_child_must_come_back_and_no_event_be_lost(saved: Sandbox) -> None:
    """Kill -9 of each process of a stack must be repaired at the same address, and every answered request be logged once."""
    saved.run("up").ok()
    url = saved.url
    ids: list[str] = []
    names = {service["name"]: service["pid"] for service in saved.status()["services"]}
    assert len(names) >= 3

    for name in names:
        predict(url, ids, 20)
        pid = next(service["pid"] for service in saved.status()["services"] if service["name"] == name)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: not psutil.pid_exists(pid), what=f"{name} to be gone")  # type: ignore[misc]  # a lambda that remembers its loop variable
        wait_for(lambda: saved.run("status").code == 0, every=0.3, what=f"healthy again after {name} was killed")
        predict(url, ids, 20)

    assert saved.url == url
    must_hold_once_each(saved, ids)


def test_a_killed_worker_must_come_back(saved: Sandbox) -> None:
    """Kill -9 of the processes below the model service must be repaired, at the same address."""
    saved.run("up").ok()
    url = saved.url
    (model,) = (psutil.Process(service["pid"]) for service in saved.status()["services"] if service["name"] == "api-v1")
    ids: list[str] = []
    predict(url, ids, 20)

    for child in model.children(recursive=True):
        child.kill()

    def answers() -> bool:
        try:
            return post(url + "/predict", ROW)[0] == 200
        except OSError:
            return False

    wait_for(answers, every=0.2, what="an answer after the worker was killed")
    predict(url, ids, 20)
    must_hold_once_each(saved, ids)


def test_a_killed_supervisor_must_leave_no_orphan_and_the_next_up_recover(saved: Sandbox) -> None:
    """Kill -9 of the supervisor must end its processes; the next `up` must recover with the same address and no lost event."""
    saved.run("up").ok()
    url = saved.url
    ids: list[str] = []
    predict(url, ids, 40)
    children = {service["pid"] for service in saved.status()["services"]}
    (supervisor,) = {psutil.Process(pid).ppid() for pid in children}

    os.kill(supervisor, signal.SIGKILL)
    saved.gone()
    assert saved.run("status").code == 3

    saved.run("up").ok()
    assert saved.url == url
    predict(url, ids, 5)
    must_hold_once_each(saved, ids)


def test_a_stack_must_survive_its_terminal(saved: Sandbox) -> None:
    """The stack must go on when the session that started it is hung up."""
    process = saved.start("up")
    assert process.wait(timeout=120) == 0
    process.communicate()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGHUP)
    assert post(saved.url + "/predict", ROW)[0] == 200
