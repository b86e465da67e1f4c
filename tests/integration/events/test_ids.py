"""Ids of requests and events over several processes."""

from __future__ import annotations

import os

from mlsandbox_serving.record import new_id


def test_a_forked_process_makes_ids_of_its_own() -> None:
    """A child must not give away the ids that its parent has made in advance."""
    new_id()
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, " ".join(new_id() for _ in range(300)).encode())
        os._exit(0)
    os.wait()
    os.close(write)
    with os.fdopen(read) as file:
        childs = file.read().split()

    assert len(childs) == 300
    assert not {new_id() for _ in range(1000)} & set(childs)
