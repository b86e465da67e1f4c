"""Images of our own services, which all stacks of a machine share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox.actions.down import down, down_all
from mlsandbox.engines.base import Keeping
from mlsandbox.output import Output
from mlsandbox.packaging.image_store import remove_superseded
from mlsandbox.progress import QuietReport
from mlsandbox.registry import Entry, Registry
from mlsandbox.stack.ports import this_machine
from mlsandbox.state import State, save_state
from support.docker_stack import docker
from support.toy_stack import ToyStack
from support.toys import toy


@pytest.fixture
def service_image(stack: ToyStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Make an image as of a service of ours, but for a label of the test's own: what others share is left alone."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "state"))
    label, repository = f"sandbox-test.{uuid.uuid4().hex}", f"sandbox-test/service-{uuid.uuid4().hex[:12]}"
    for module in ("engines.docker_daemon", "packaging.image_store"):
        monkeypatch.setattr(f"mlsandbox.{module}.CONTENT", label)
    made = []

    def make(tag: str) -> str:
        folder = tmp_path / f"context-{tag}"
        folder.mkdir()
        (folder / "new").write_text(uuid.uuid4().hex)  # with nothing but a label an image is as old as its base
        (folder / "Dockerfile").write_text(f"FROM {stack.image.reference}\nCOPY new /new\nLABEL {label}={tag}\n")
        made.append(f"{repository}:{tag}")
        docker("build", "--quiet", f"--tag={made[-1]}", str(folder))
        return made[-1]

    yield make
    for name in made:
        if docker("image", "ls", "--quiet", name):
            docker("image", "rm", "--force", name)


def _registered(stack: ToyStack) -> None:
    """As `up` leaves it."""
    entry = Entry(stack.project, str(stack.root.resolve()), "docker", "127.0.0.1", {})
    Registry().reserve(entry, (), pinned={}, running={}, machine=this_machine())
    save_state(stack.root / ".sandbox", State(engine="docker"))


def _report() -> QuietReport:
    return QuietReport(Output())


def test_one_stack_leaves_them(stack: ToyStack, service_image: Callable[[str], str]) -> None:
    """`down`, also with --volumes, must list them and leave them: other stacks may be made from them."""
    name = service_image("1")
    stack.up(toy("a", stack.ports[0]))
    _registered(stack)

    for volumes, dry_run in ((False, False), (True, True), (True, False)):
        result = down(stack.root, stack.project, _report(), volumes=volumes, dry_run=dry_run)
        assert [each.name for each in result.kept_outside if each.kind is Keeping.SHARED] == [name]
        assert not result.removed_outside

    assert docker("image", "ls", "--quiet", name)


def test_the_last_stack_takes_them(stack: ToyStack, service_image: Callable[[str], str]) -> None:
    """`down --all --volumes` must remove them once no stack is left, exactly those that its dry run named, and also when none was."""
    names = [service_image("1"), service_image("2")]
    stack.up(toy("a", stack.ports[0]))
    _registered(stack)
    assert down_all(_report()).removed_shared == ()

    planned = down_all(_report(), volumes=True, dry_run=True)
    assert [each.name for each in planned.removed_shared] == names
    assert all(docker("image", "ls", "--quiet", name) for name in names)

    done = down_all(_report(), volumes=True)
    assert (done.removed_shared, done.kept_shared) == (planned.removed_shared, ())
    assert not any(docker("image", "ls", "--quiet", name) for name in names)

    later = service_image("3")
    assert [each.name for each in down_all(_report(), volumes=True).removed_shared] == [later]


def test_what_runs_elsewhere_is_kept(stack: ToyStack, service_image: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """An image that somebody's container is made from must be neither planned for removal nor removed, and be told."""
    name = service_image("1")
    container = docker("create", name).strip()
    try:
        assert down_all(_report(), volumes=True, dry_run=True).removed_shared == ()
        result = down_all(_report(), volumes=True)
    finally:
        docker("rm", container)

    assert (result.removed_shared, [each.name for each in result.kept_shared]) == ((), [name])
    assert name in capsys.readouterr().err


def test_older_ones_go(service_image: Callable[[str], str]) -> None:
    """Once a newer one was built, older ones that nothing is made from must go; young ones, and what a stack or a container uses, stay."""
    unused, of_a_stack, of_a_container, newest = (service_image(tag) for tag in ("unused", "stack", "container", "newest"))
    container = docker("create", of_a_container).strip()
    try:
        assert remove_superseded(newest, [f"image: {of_a_stack}"]) == ()
        assert remove_superseded(newest, [f"image: {of_a_stack}"], older_than=0) == (unused,)
    finally:
        docker("rm", container)

    assert [bool(docker("image", "ls", "--quiet", each)) for each in (unused, of_a_stack, of_a_container, newest)] == [
        False,
        True,
        True,
        True,
    ]
