"""The life of a service as a table."""

from __future__ import annotations

import pytest

from mlsandbox.supervise.backoff import Backoff
from mlsandbox.supervise.status import STATUS_VERSION, ServiceStatus, SupervisorStatus, read_status, status_to_json
from mlsandbox.supervise.transition import LEGAL, RUNNING, Event, State, apply_event

LIVES = {
    "all is well": ("spawned unanswered answered stop gone", "starting starting ready stopping stopped"),
    "comes back": ("spawned answered exited spawned answered", "starting ready backoff starting ready"),
    "hangs for a while": ("spawned answered unanswered answered", "starting ready unready ready"),
    "refuses": ("spawned declined stop gone", "starting refused stopping stopped"),
    "gives up": ("spawned exited gave-up stop", "starting backoff failed stopped"),
    "cannot be started": ("exited exited gave-up", "backoff backoff failed"),
}


@pytest.mark.parametrize("life", LIVES)
def test_lives(life: str) -> None:
    """Each story must lead through the states it should."""
    events, states = (text.split() for text in LIVES[life])
    state: State | None = State.PENDING
    for event, expected in zip(events, states, strict=True):
        assert state is not None
        state = apply_event(state, Event(event.replace("-", " ")))
        assert state == expected


def test_every_state_can_be_stopped() -> None:
    """`down` must end a service whatever it is doing, and only what runs has to go first."""
    for state in State:
        if state is not State.STOPPING:
            assert apply_event(state, Event.STOP) is (State.STOPPING if state in RUNNING else State.STOPPED)


def test_impossible_events() -> None:
    """What cannot happen must be told apart from what changes nothing."""
    assert apply_event(State.STOPPED, Event.ANSWERED) is None
    assert apply_event(State.READY, Event.SPAWNED) is None
    assert set(LEGAL) == set(State)


def test_status_keeps_its_time_while_the_state_stays() -> None:
    """`since` must change with the state, not with every event; an impossible event must change nothing."""
    starting = ServiceStatus("a", "d").after(Event.SPAWNED, pid=7)

    assert starting.after(Event.UNANSWERED, reason="no answer").since == starting.since
    assert starting.after(Event.GONE, pid=None) == starting
    assert starting.after(Event.ANSWERED).was_ready


def test_status_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A status must be read as it was written; a broken file, or one of another version, must read as none."""
    path = tmp_path_factory.mktemp("run") / "status.json"
    status = SupervisorStatus("id", 1, "2026-01-01T00:00:00.000Z", "d", (ServiceStatus("a", "d", State.READY, probe={"ready": True}),))

    path.write_text(status_to_json(status), "utf-8")
    assert read_status(path) == status
    path.write_text(
        status_to_json(status).replace(f'"schema_version": {STATUS_VERSION}', f'"schema_version": {STATUS_VERSION + 1}'), "utf-8"
    )
    assert read_status(path) is None
    path.write_text("{", "utf-8")
    assert read_status(path) is None
    assert read_status(path.with_name("none.json")) is None


def test_backoff() -> None:
    """Pauses must double up to their bound, and end after the last try."""
    backoff = Backoff(first=0.5, longest=1.5, crashes=4)

    assert [backoff.pause(crashes) for crashes in range(1, 5)] == [0.5, 1.0, 1.5, None]


def test_backoff_counts_quick_ends() -> None:
    """Only a life that got ready and lasted must make the next end count as the first."""
    backoff = Backoff(steady=5)

    assert backoff.count(3, lived=6, was_ready=True) == 1
    assert backoff.count(3, lived=4, was_ready=True) == 4
    assert backoff.count(3, lived=60, was_ready=False) == 4
