"""Ports, folders, several projects: a stack keeps to its own places."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import psutil

from support.churn import TRAIN
from support.sandbox import Sandbox, post

ROW = {"age": 40.0, "children": 2, "plan": "pro", "postcode": "00017"}


def hold(port: int) -> socket.socket:
    """Listen on a port of 127.0.0.1."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen()
    return held


def port_of(url: str) -> int:
    """The port of a URL like http://127.0.0.1:7310."""
    return int(url.rsplit(":", 1)[1])


def test_a_taken_port_must_be_moved_from(saved: Sandbox) -> None:
    """When a project's port was taken meanwhile, `up` must take another, say so, and work."""
    saved.run("up").ok()
    port = port_of(saved.url)
    saved.down().ok()
    with hold(port):
        result = saved.run("up").ok()
        assert port_of(saved.url) != port
        assert str(port) in result.err
        assert post(saved.url + "/predict", ROW)[0] == 200


def test_a_pinned_taken_port_must_be_an_error_that_names_the_owner(saved: Sandbox) -> None:
    """A pinned port that is taken must end `up` with exit 4 and the owner's name and pid."""
    with hold(0) as held:
        port = held.getsockname()[1]
        config = saved.root / "sandbox.toml"
        config.write_text(config.read_text() + f"\n[stack.ports]\napi = {port}\n")
        result = saved.run("up")
    assert result.code == 4
    assert "error[PORT_IN_USE]" in result.err
    assert "pinned by sandbox.toml:" in result.err
    assert str(os.getpid()) in result.err
    assert psutil.Process().name() in result.err
    saved.gone()


def test_two_projects_must_run_side_by_side(make_sandbox: Callable[..., Sandbox]) -> None:
    """Two projects on one machine must each have their own ports and answer for themselves."""
    first, second = make_sandbox("first"), make_sandbox("second")
    for sandbox in (first, second):
        sandbox.script(TRAIN, "churn", "1.0")
        sandbox.run("up").ok()
    assert first.url != second.url
    for sandbox in (first, second):
        assert post(sandbox.url + "/predict", ROW)[0] == 200
    listed = first.run("ls").ok().out
    assert str(first.root) in listed
    assert str(second.root) in listed
    first.down().ok()
    assert post(second.url + "/predict", ROW)[0] == 200


def test_a_path_with_spaces_and_umlauts_must_work(make_sandbox: Callable[..., Sandbox]) -> None:
    """A project in a folder with spaces and non-ASCII letters must work like any other."""
    sandbox = make_sandbox("Prüfung é 模型 of Ömer's model")
    sandbox.script(TRAIN, "churn", "1.0")
    sandbox.run("up").ok()
    assert post(sandbox.url + "/predict", ROW)[0] == 200


def test_nothing_must_be_written_to_home_outside_the_documented_places(saved: Sandbox) -> None:
    """`up`, `predict` and `down` must write to HOME only below the state folder (the cache folder is set apart here)."""
    saved.run("up").ok()
    saved.run("predict", "--example").ok()
    saved.down().ok()
    written = {path.relative_to(saved.home).parts[0] for path in Path(saved.home).rglob("*")}
    assert written <= {"state"}


def test_down_must_keep_data_and_down_volumes_remove_it(saved: Sandbox) -> None:
    """`down` must keep logs and packages; `down --volumes --yes` must remove what the stack wrote."""
    saved.run("up").ok()
    saved.run("predict", "--example").ok()
    saved.down().ok()
    assert (saved.root / ".sandbox" / "data").exists()
    assert saved.run("down", "--volumes").code == 2
    saved.run("down", "--volumes", "--yes").ok()
    assert not (saved.root / ".sandbox" / "data").exists()
    assert (saved.root / "churn" / "model.joblib").exists()
    assert (saved.root / "sandbox.toml").exists()


def test_an_unchanged_project_must_make_no_new_version(saved: Sandbox) -> None:
    """`up` of an unchanged project must keep v1; a retrained model must become v2."""
    saved.run("up").ok()
    assert saved.status()["version"] == "v1"
    saved.down().ok()
    saved.script(TRAIN, "churn", "0.01")
    saved.run("up").ok()
    assert saved.status()["version"] == "v2"
