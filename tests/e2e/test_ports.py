"""Ports of a real stack on a machine where others take them too."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from support.sandbox import Sandbox
from support.waiting import wait_for


@pytest.fixture
def thief() -> Iterator[socket.socket]:
    """A socket that takes a port when it is told to."""
    with closing(socket.socket()) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield made


def test_a_port_that_is_taken_while_the_stack_starts_must_move(saved: Sandbox, thief: socket.socket) -> None:
    """A port that another program takes between its choice and the start of the service must be chosen anew, not be the end of `up`."""
    state = saved.root / ".sandbox" / "state.json"
    state.unlink()
    up = saved.start("up", "-o", "json")
    wait_for(state.exists, what="the ports are chosen", every=0.002)
    chosen = int(json.loads(state.read_text())["ports"]["api"])
    thief.bind(("127.0.0.1", chosen))
    thief.listen()

    out, err = up.communicate(timeout=120)

    assert up.returncode == 0, err
    assert "choosing anew" in err
    assert json.loads(out)["endpoints"]["api"] != f"http://127.0.0.1:{chosen}"
