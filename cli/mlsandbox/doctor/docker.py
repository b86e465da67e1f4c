"""Docker, for stacks of containers: whether its engine is fit for this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine
from mlsandbox.doctor.docker_facts import look_at_docker
from mlsandbox.doctor.docker_judge import Needs, judge
from mlsandbox.engines.remembered import remembered_engine, remembered_state
from mlsandbox.errors import SandboxError
from mlsandbox.packaging.image_recipes import FluentdRecipe
from mlsandbox.packaging.image_store import local_images
from mlsandbox.packaging.images_catalog import FLUENTD, catalog, check_overrides, reference
from mlsandbox.project import load_project
from mlsandbox.settings import StackConfig
from mlsandbox.stack.parts import chosen_parts

_DOCKER: Final = "docker"
_EMBEDDED: Final = "embedded"


class DockerCheck:
    """Its engine, Compose, room, memory, images and proxy; one line where stacks run as child processes."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        stack = _stack(examined)
        name, running = _last_engine(examined.root)
        if stack.engine == _EMBEDDED or (stack.engine == "auto" and name == _EMBEDDED and running):
            yield machine("docker", Verdict.INFO, "not needed: the stack runs as child processes (engine embedded)")
            return
        for finding in _findings(stack, ran=name == _DOCKER, running=name == _DOCKER and running):
            # Where there is no project nothing depends on it yet.
            mild = examined.root is None and finding.verdict is Verdict.PROBLEM
            yield replace(finding, verdict=Verdict.WARNING) if mild else finding


def _findings(stack: StackConfig, *, ran: bool, running: bool) -> Iterator[Finding]:
    facts = look_at_docker()
    needs = Needs(stack.profile, named=stack.engine == _DOCKER, ran=ran, running=running)
    try:
        here, missing = ((), ()) if facts.problem else _images(stack)
    except SandboxError as error:  # an image that sandbox.toml names wrongly
        yield from judge(facts, needs)
        yield machine("images", Verdict.PROBLEM, f"{error.what}: {error.why}" if error.why else error.what, error.fix)
    else:
        yield from judge(facts, replace(needs, images=(here, missing)))


def program_images(stack: StackConfig) -> tuple[tuple[str, str | None], ...]:
    """Images of the programs of others that a stack of containers runs: the name, and what it must be made of if we build it.

    Those of models and of our own services are left out: they are built of what is packaged.
    """
    parts = chosen_parts(_DOCKER, stack.profile, exclude=stack.exclude, programs=())
    named = {key: reference(key, overrides=stack.images, registry=stack.registry) for key in catalog() if key in parts}
    if FLUENTD in named and FLUENTD not in stack.images:
        built = FluentdRecipe(named.pop(FLUENTD), stack.ca if stack.ca is not None and stack.ca.is_file() else None)
        return (*((name, None) for name in named.values()), (built.tag, built.content))
    return tuple((name, None) for name in named.values())


def _images(stack: StackConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are here, and those that are not.

    Raises:
        ConfigInvalid: `[stack.images]` names one that no stack has.
        EngineUnavailable: Docker does not answer any more.
    """
    check_overrides(stack.images)
    local = local_images()
    here = tuple(name for name, content in program_images(stack) if local.find(name, content) is not None)
    return here, tuple(name for name, _ in program_images(stack) if name not in here)


def _stack(examined: Examined) -> StackConfig:
    """The settings; those of a new project where there is none, or an invalid one, which another check tells of."""
    if examined.project is not None:
        return examined.project.stack
    try:
        return StackConfig() if examined.root is None else load_project(examined.root).stack
    except SandboxError:
        return StackConfig()


def _last_engine(root: Path | None) -> tuple[str | None, bool]:
    """The engine that the project's stack ran on last, and whether it runs now."""
    name = None
    try:
        if root is not None and remembered_state(root).engine is not None:
            engine = remembered_engine(root)
            name = engine.name
            return name, engine.observe().running
    except SandboxError:  # it does not answer, or what it remembers is of a later version
        pass
    return name, False
