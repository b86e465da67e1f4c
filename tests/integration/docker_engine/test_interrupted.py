"""Ctrl-C while Compose makes and starts containers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from support.leaks import assert_nothing_left, containers_of
from support.repository import ROOT
from support.toy_stack import ToyStack
from support.waiting import HANG_SECONDS, wait_for

_UP = """
import signal, sys
from pathlib import Path
from mlsandbox.docker_host import ImageRef
from support.toy_stack import ToyStack
from support.toys import toy
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
root, reference, identity, *ports = sys.argv[1:]
stack = ToyStack(Path(root), ImageRef(reference, identity))
stack.up(*(toy(name, int(port), TOY="never") for name, port in zip("abc", ports)), timeout=60.0)
"""
MOMENTS: dict[str, Callable[[ToyStack], bool]] = {
    "rendered": lambda stack: (stack.root / ".sandbox/stack/compose.yaml").exists(),
    "networks": lambda stack: bool(containers_of(stack.root)),
    "first container": lambda stack: any(name.endswith("-1") for name in containers_of(stack.root)),
    "all run": lambda stack: len(stack.engine.observe().services) == 3,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_start_leaves_nothing(stack: ToyStack, moment: str) -> None:
    """Whenever it comes, Ctrl-C must end a start in time, and no container or network may be left."""
    argv = [sys.executable, "-c", _UP, str(stack.root), stack.image.reference, stack.image.id, *map(str, stack.ports)]
    with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")}, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: MOMENTS[moment](stack), every=0.01, what=moment)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=HANG_SECONDS)[1]
        finally:
            process.kill()

    assert said.strip().endswith("KeyboardInterrupt"), said
    assert_nothing_left(stack.root, stack.ports, docker=True)
