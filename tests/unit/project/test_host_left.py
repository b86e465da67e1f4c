"""What `sandbox up` says when the API does not stay where others reached it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.up import host_left
from mlsandbox.project import Override, Project, read_project
from mlsandbox.state import State

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a user gives


def project(stack: str = "", *overrides: Override) -> Project:
    return read_project(Path("/p"), f'name = "a"\n[models.m]\npath = "m.onnx"\n[stack]\n{stack}\n', overrides=overrides, environ={})


@pytest.mark.parametrize(("stack", "keys"), [("", "without"), ("api_keys = true", "with")])
def test_a_flag_that_is_not_given_again(stack: str, keys: str) -> None:
    """The host that `--host` set, and its keys, must not be left without a word that says how to keep them."""
    said = host_left(project(stack), State(host=EVERYWHERE))

    assert said.startswith(f"the API was at 0.0.0.0 with API keys, is at 127.0.0.1 {keys} them now")
    assert said.endswith('in sandbox.toml: [stack] host = "0.0.0.0"')


@pytest.mark.parametrize("before", [None, "127.0.0.1", "::1", "localhost"])
def test_loopback_is_left_without_a_word(before: str | None) -> None:
    """A stack that nobody else reached must be changed as asked."""
    assert host_left(project(), State(host=before)) == ""


def test_what_stays_or_is_asked_for() -> None:
    """Neither a host that stays nor one that is given on the command line must be warned of."""
    assert host_left(project('host = "0.0.0.0"'), State(host=EVERYWHERE)) == ""
    assert host_left(project("", Override("stack.host", "127.0.0.1", "--host")), State(host=EVERYWHERE)) == ""
