"""What facts about Docker mean for a stack of containers (pure)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mlsandbox.docker_host import on_this_machine
from mlsandbox.doctor.base import Finding, Verdict, machine
from mlsandbox.doctor.docker_facts import DockerFacts

_OLDEST_ENGINE: Final = (25,)
_OLDEST_COMPOSE: Final = (2, 20)
_ARCHITECTURES: Final = frozenset({"x86_64", "amd64", "aarch64", "arm64"})
_IMAGES: Final = {"full": 6_000_000_000, "lite": 2_000_000_000}
"""Bytes that the images of a stack take."""
_LITTLE_DISK: Final = 1_000_000_000
"""What volumes and a new version of a model need when the images are there."""
_MEMORY: Final = {"full": 4_000_000_000, "lite": 1_500_000_000}
_EMBEDDED: Final = "run without it: sandbox up --engine embedded"
_LITE: Final = "start less: sandbox up --profile lite"


@dataclass(frozen=True, slots=True)
class Needs:
    """What the stack wants of the engine."""

    profile: str = "full"
    named: bool = False
    """The settings name the docker engine, so that nothing else will do."""
    ran: bool = False
    """The project's stack ran on it last: what of it there is, is there."""
    running: bool = False
    """The stack runs: what it needs it has."""
    images: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """Images of programs that it needs: those that are here, and those that are not; None: it is not known which they are."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Images that have to be fetched."""
        return self.images[1] if self.images else ()


def judge(facts: DockerFacts, needs: Needs) -> Iterator[Finding]:
    """Findings about the engine; those that come too late when it does not answer are left out."""
    elsewhere = [] if facts.problem and not needs.named else list(place(facts))
    yield from elsewhere
    if facts.problem:
        if not elsewhere:
            yield unanswered(facts, named=needs.named, ran=needs.ran)
        return
    yield engine(facts)
    yield compose(facts)
    yield disk(facts, needs)
    yield from memory(facts, needs)
    yield from images(needs)
    yield from proxy(facts, needs)


def unanswered(facts: DockerFacts, *, named: bool, ran: bool = False) -> Finding:
    """It does not answer: a problem for who insists on it, and a pity for whom it ran the stack before."""
    if not named and not ran:
        found = "does not answer" if facts.client else "not installed"
        return machine("docker", Verdict.INFO, f"{found}, and not needed: stacks run as child processes then (engine embedded)")
    if facts.remedy:
        remedy = facts.remedy
    elif "permission denied" in facts.problem.lower():
        remedy = f"give yourself the right: sudo usermod -aG docker $USER, then log in again   or {_EMBEDDED}"
    elif not facts.client:
        remedy = f"install Docker: https://docs.docker.com/get-docker/   or {_EMBEDDED}"
    else:
        remedy = f"start it: {'open -a Docker' if sys.platform == 'darwin' else 'sudo systemctl start docker'}   or {_EMBEDDED}"
    where = f"no engine answers at {facts.endpoint}: " if facts.endpoint else ""
    before = "" if named else "; the stack ran on it before"
    return machine("docker", Verdict.PROBLEM if named else Verdict.WARNING, f"{where}{_plainly(facts.problem)}{before}", remedy)


def engine(facts: DockerFacts) -> Finding:
    """Which engine answers, and whether it is new enough and of a kind that the images exist for."""
    named = f"context {facts.context}" if facts.context else "named by DOCKER_HOST"
    text = f"Engine {facts.version} ({facts.architecture}) answers at {facts.endpoint}, {named}"
    if _version(facts.version) < _OLDEST_ENGINE:
        return machine("docker", Verdict.PROBLEM, f"{text}, and is too old", f"upgrade Docker to 25 or later   or {_EMBEDDED}")
    if facts.architecture not in _ARCHITECTURES:
        return machine("docker", Verdict.PROBLEM, f"{text}, and there are no images for {facts.architecture}", _EMBEDDED)
    return machine("docker", Verdict.OK, text)


def place(facts: DockerFacts) -> Iterator[Finding]:
    """It is on this machine: its containers are handed files of the project's folder."""
    if on_this_machine(facts.endpoint):
        return
    host = urlsplit(facts.endpoint).hostname or facts.endpoint
    back = "docker context use default" if facts.context else "unset DOCKER_HOST"
    yield machine(
        "docker",
        Verdict.PROBLEM,
        f"the engine is on another machine ({host}), whose containers cannot be handed files of this one",
        f"use an engine of this machine: {back}   or {_EMBEDDED}",
    )


def compose(facts: DockerFacts) -> Finding:
    """The plugin that starts the containers is there and new enough."""
    needed = ".".join(map(str, _OLDEST_COMPOSE))
    if not facts.client:
        remedy = "install the docker command and its Compose plugin: https://docs.docker.com/compose/install/"
        return machine("compose", Verdict.PROBLEM, "the docker command is not on PATH", remedy)
    if facts.compose is None:
        remedy = "install it: https://docs.docker.com/compose/install/linux/"
        return machine("compose", Verdict.PROBLEM, f"the docker command has no Compose plugin ({needed} or later)", remedy)
    if _version(facts.compose) < _OLDEST_COMPOSE:
        remedy = "upgrade it: https://docs.docker.com/compose/install/linux/"
        return machine("compose", Verdict.PROBLEM, f"Compose {facts.compose} is too old; {needed} is needed", remedy)
    return machine("compose", Verdict.OK, f"Compose {facts.compose}")


def disk(facts: DockerFacts, needs: Needs) -> Finding:
    """Room for images and volumes."""
    if facts.free_bytes is None:
        return machine("docker disk", Verdict.INFO, f"how much is free in {facts.storage} of the engine's machine is not seen from here")
    needed = _IMAGES[needs.profile] if needs.missing else _LITTLE_DISK
    text = f"{_gigabytes(facts.free_bytes)} free in {facts.storage}"
    if facts.free_bytes >= needed:
        return machine("docker disk", Verdict.OK, text)
    what = f"the images of the {needs.profile} stack take" if needs.missing else "volumes may need"
    remedy = f"make room, by hand or with: docker image prune{f'   or {_LITE}' if needs.missing and needs.profile == 'full' else ''}"
    return machine("docker disk", Verdict.PROBLEM if needs.missing else Verdict.WARNING, f"{text}; {what} {_gigabytes(needed)}", remedy)


def memory(facts: DockerFacts, needs: Needs) -> Iterator[Finding]:
    """Enough of it, unless the stack runs already; and limits that hold."""
    needed = _MEMORY[needs.profile]
    less = _LITE if needs.profile == "full" else _EMBEDDED
    if facts.memory_bytes < needed:
        text = f"the engine's machine has {_gigabytes(facts.memory_bytes)}; the {needs.profile} stack needs {_gigabytes(needed)}"
        yield machine("docker memory", Verdict.PROBLEM, text, f"give it more (Docker Desktop: Settings, Resources)   or {less}")
    elif facts.available_bytes is not None and facts.available_bytes < needed and not needs.running:
        text = f"{_gigabytes(facts.available_bytes)} of memory are free; the {needs.profile} stack needs {_gigabytes(needed)}"
        yield machine("docker memory", Verdict.WARNING, text, f"end other programs   or {less}")
    else:
        known = facts.memory_bytes if facts.available_bytes is None else facts.available_bytes
        yield machine("docker memory", Verdict.OK, f"{_gigabytes(known)} {'in all' if facts.available_bytes is None else 'free'}")
    if not facts.limits_memory:
        text = "the engine's kernel does not hold containers to their memory limits"
        yield machine("docker memory", Verdict.WARNING, text, "boot it with: cgroup_enable=memory   (docker info tells the same)")


def images(needs: Needs) -> Iterator[Finding]:
    """Which images of programs are here, and which will be fetched."""
    if needs.images is None:
        return
    here, missing = needs.images
    if missing:
        text = f"{len(missing)} of {len(here) + len(missing)} for programs of the {needs.profile} stack are missing: {', '.join(missing)}"
        yield machine("images", Verdict.INFO, text, "the next `sandbox up` fetches them; at once: sandbox pull")
    else:
        yield machine("images", Verdict.OK, f"all {len(here)} for programs of the {needs.profile} stack are here")


def proxy(facts: DockerFacts, needs: Needs) -> Iterator[Finding]:
    """The engine pulls images by itself, and knows nothing of this shell's proxy."""
    if facts.shell_proxy is None or facts.engine_proxy or not needs.missing:
        return
    yield machine(
        "docker proxy",
        Verdict.WARNING,
        f"{facts.shell_proxy} is set here, and the engine, which pulls images, has no proxy",
        'set "proxies" in /etc/docker/daemon.json and restart Docker (Docker Desktop: Settings, Resources, Proxies)',
    )


def _plainly(problem: str) -> str:
    """What a connection's error means, where it is one of the usual ones."""
    usual = (
        ("no such file", "nothing is there"),
        ("refused", "nothing listens there"),
        ("permission denied", "this user may not talk to it"),
        ("timed out", "no answer in time"),
    )
    return next((plain for words, plain in usual if words in problem.lower()), problem)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[-+~]", text.removeprefix("v"))[0]))


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
