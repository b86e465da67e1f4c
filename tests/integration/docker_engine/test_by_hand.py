"""What a user does to containers and files by hand, beside `sandbox`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Action, Result, Undone
from mlsandbox.errors import StackNameTaken
from mlsandbox.supervise.transition import State
from support.docker_stack import docker
from support.leaks import assert_nothing_left, containers_of
from support.toy_stack import ToyStack
from support.toys import toy


@pytest.mark.parametrize("lost", ["compose.yaml", "containers.json", "."])
def test_down_without_the_rendered_files(stack: ToyStack, lost: str) -> None:
    """What a user deletes from .sandbox/stack must not keep `down` from finding everything."""
    stack.up(toy("a", stack.ports[0]), toy("b", stack.ports[1]))
    folder = stack.root / ".sandbox/stack"
    for path in sorted((folder / lost).rglob("*"), reverse=True) if lost == "." else [folder / lost]:
        path.rmdir() if path.is_dir() else path.unlink()

    assert stack.engine.observe().is_ready
    assert stack.engine.observe().ports == {"a": stack.ports[0], "b": stack.ports[1]}
    assert stack.down().result is Result.STOPPED

    assert_nothing_left(stack.root, stack.ports, docker=True)


def test_up_without_the_rendered_files(stack: ToyStack) -> None:
    """Files that were deleted must come back with the next change, while what is unchanged runs on."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a)
    pid = stack.engine.observe().services[0].pid
    (stack.root / ".sandbox/stack/compose.yaml").unlink()

    assert stack.up(a, b).result is Result.READY

    assert stack.engine.observe().services[0].pid == pid


def test_name_of_another_project(stack: ToyStack, tmp_path: Path, image: ImageRef) -> None:
    """Two projects of one name must not take each other's containers: the second is told where the first lies."""
    stack.up(toy("a", stack.ports[0]))
    root = tmp_path / "other"
    root.mkdir()
    other = ToyStack(root, image, stack.project)

    with pytest.raises(StackNameTaken) as found:
        other.up(toy("a", other.ports[0]))

    assert str(stack.root) in found.value.why
    assert not other.engine.observe().services
    assert other.down().result is Result.STOPPED
    assert stack.engine.observe().is_ready


def test_renamed_project(stack: ToyStack) -> None:
    """With another name a stack must be made anew, and nothing of the old one be left."""
    a = toy("a", stack.ports[0])
    stack.up(a)
    old, stack.project = stack.project, f"{stack.project}-new"

    plan = stack.engine.plan(stack.desired(a), stack.engine.observe())
    assert [str(step) for step in plan.steps] == [f"restart a: changed: name of the stack {old} -> {stack.project}"]
    assert stack.up(a).result is Result.READY

    assert not [name for name in containers_of(stack.root) if not name.startswith(stack.project)]


def test_killed_by_docker(stack: ToyStack) -> None:
    """What `docker kill` ended stays down: it must be seen, told, and brought back by `up` alone."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("kill", stack.container("a"))

    service = stack.engine.observe().service("a")

    assert service is not None
    assert (service.state, service.exit_code, service.reason) == (State.FAILED, -9, "ended by signal 9")
    plan = stack.engine.plan(stack.desired(a, b), stack.engine.observe())
    assert [str(step) for step in plan.steps] == ["restart a: failed: ended by signal 9", "keep    b: unchanged, ready"]
    assert stack.up(a, b).result is Result.READY


def test_stopped_by_docker(stack: ToyStack) -> None:
    """What `docker stop` ended must count as stopped, and be started by `up`."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("stop", stack.container("a"))

    plan = stack.engine.plan(stack.desired(a, b), stack.engine.observe())

    assert [str(step) for step in plan.steps] == ["start   a: not running", "keep    b: unchanged, ready"]
    assert stack.up(a, b).result is Result.READY


def test_removed_by_docker(stack: ToyStack) -> None:
    """A container that somebody removed must be made anew, and the others left alone."""
    a, b = toy("a", stack.ports[0]), toy("b", stack.ports[1])
    stack.up(a, b)
    docker("rm", "--force", stack.container("a"))

    assert {step.service: step.action for step in stack.engine.plan(stack.desired(a, b), stack.engine.observe()).steps} == {
        "a": Action.START,
        "b": Action.KEEP,
    }
    assert stack.up(a, b).result is Result.READY


def test_paused(stack: ToyStack) -> None:
    """A paused container must not count as ready, and `down` must end it like any other."""
    stack.up(toy("a", stack.ports[0]))
    docker("pause", stack.container("a"))

    service = stack.engine.observe().service("a")

    assert service is not None
    assert (service.state, service.reason) == (State.UNREADY, "it is paused")
    assert not stack.engine.observe().is_ready


def test_own_compose_file(stack: ToyStack) -> None:
    """The user's own compose.override.yaml must be laid over ours, count as a change, and go with the stack."""
    a = toy("a", stack.ports[0])
    stack.up(a)
    override = stack.root / "compose.override.yaml"
    override.write_text(
        "services:\n  a:\n    environment:\n      MINE: '1'\n"
        f"  helper:\n    image: {stack.image.reference}\n    command: [python, -c, 'import time; time.sleep(600)']\n"
    )

    plan = stack.engine.plan(stack.desired(a), stack.engine.observe())
    assert [step.action for step in plan.steps] == [Action.RESTART]
    assert "override" in plan.steps[0].why
    assert stack.up(a).result is Result.READY
    assert docker("exec", stack.container("a"), "printenv", "MINE") == "1\n"
    assert docker("ps", "--quiet", "--filter", f"name={stack.container('helper')}")

    assert [step.action for step in stack.engine.plan(stack.desired(a), stack.engine.observe()).steps] == [Action.KEEP]

    for path in (override, *(stack.root / ".sandbox/stack").glob("compose*.yaml")):
        path.unlink()  # before down: what was added must be found without them
    stack.down()
    for words in (("ps", "--all"), ("network", "ls")):
        assert not docker(*words, "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}")


def test_own_compose_file_that_breaks_it(stack: ToyStack) -> None:
    """A change of the user's own file that does not work must give way to what ran before, with what it was made from then."""
    a = toy("a", stack.ports[0])
    override = stack.root / "compose.override.yaml"
    override.write_text("services: {a: {environment: {TOY_COLOUR: blue}}}\n")
    stack.up(a)
    override.write_text("services: {a: {environment: {TOY: crash}}}\n")

    outcome = stack.up(a)

    assert (outcome.result, outcome.undone) == (Result.CRASHED, Undone.RESTORED)
    assert docker("exec", stack.container("a"), "printenv", "TOY_COLOUR") == "blue\n"
