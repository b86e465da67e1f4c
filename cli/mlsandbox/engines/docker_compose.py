"""Runs `docker compose` on a project's rendered stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlsandbox.engines.base import Action, Step
from mlsandbox.errors import CommandFailed, EngineUnavailable
from mlsandbox.render.compose import COMPOSE_FILE
from mlsandbox.render.tree import RenderedFile
from mlsandbox.run import run

OVERRIDE: Final = "compose.override.yaml"
"""The user's own, beside sandbox.toml; what was used of it last is beside the rendered file, so that it can be gone back to."""

_OLDEST: Final = (2, 20)
"""The first version that knows `start_interval` of health checks."""
_FIX: Final = "install or upgrade the Compose plugin (docker compose version), or run without it: sandbox up --engine embedded"
_SURROUNDINGS: Final = dict.fromkeys(
    ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_REMOVE_ORPHANS")
)
"""What a user's shell may say about another stack."""
_CREATE_SECONDS: Final = 180.0
"""Also replaces what runs, which may take its time to end."""
_VERSION_SECONDS: Final = 20.0
_NAME: Final = re.compile(r'^name: "?([a-z0-9][a-z0-9_-]*)"?$', re.MULTILINE)
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Compose:
    """The stack of one project."""

    folder: Path
    """Where the rendered files lie."""
    project: str
    """Compose's name of the stack."""

    def check(self) -> None:
        """Find out whether Compose is there.

        Raises:
            EngineUnavailable: it is not, or it is too old.
        """
        try:
            argv = ("docker", "compose", "version", "--short")
            text = run(argv, what="asking for the version of Docker Compose", timeout=_VERSION_SECONDS).stdout.strip()
        except CommandFailed as error:
            raise EngineUnavailable("Docker Compose is missing", why=error.why, fix=_FIX) from error
        found = _VERSION.match(text)
        if found is not None and (int(found[1]), int(found[2])) < _OLDEST:
            raise EngineUnavailable("this Docker Compose is too old", why=f"It is {text}; 2.20 or later is needed.", fix=_FIX)

    def up(self, meanwhile: Callable[[], None], services: Sequence[str] = (), *, replaces: bool = True) -> None:
        """Make all containers and networks what the file says, and start each as soon as what it needs is there.

        Args:
            meanwhile: called again and again; what it raises ends Compose.
            services: those alone, and what they need.
            replaces: whether what is there gives way to what the file says; with a container Compose replaces all that need it, too.

        Raises:
            CommandFailed: one could not be made or started, or what it needs came to an end.
        """
        # Never --no-deps: Compose replaces a container that was made without what it needs, as soon as it is asked for all.
        which = (*_left(replaces=replaces), *(services or ("--remove-orphans",)))
        self._run("up", "--detach", "--no-build", "--pull", "never", *which, what="starting the stack", meanwhile=meanwhile)

    def create(self, *, replaces: bool = True) -> None:
        """Make all containers and networks what the file says, and start none; `replaces` as for `up`.

        Raises:
            CommandFailed: one could not be made, or it takes too long.
        """
        words = ("create", "--no-build", "--pull", "never", "--remove-orphans", *_left(replaces=replaces))
        self._run(*words, what="making the stack's containers", timeout=_CREATE_SECONDS)

    def stop(self, seconds: float | None, *, timeout: float) -> None:
        """Stop all containers, those first that need others.

        Args:
            seconds: that each container gets to end by itself; None: what it was made with.
            timeout: seconds for all of them.

        Raises:
            CommandFailed: one could not be stopped, or it takes too long.
        """
        given = () if seconds is None else ("--timeout", f"{seconds:.0f}")
        self._run("stop", *given, what="stopping the stack", timeout=timeout)

    def _run(self, *words: str, what: str, meanwhile: Callable[[], None] | None = None, timeout: float | None = None) -> None:
        files = [f"--file={path}" for path in (self.folder / COMPOSE_FILE, self.folder / OVERRIDE) if path.is_file()]
        argv = ("docker", "compose", f"--project-directory={self.folder}", *files, f"--project-name={self.project}", *words)
        run(argv, env=_SURROUNDINGS, what=what, meanwhile=meanwhile, timeout=timeout)


def project_of(files: Sequence[RenderedFile]) -> str | None:
    """Compose's name of the stack that these files describe."""
    texts = (file.text for file in files if file.path == COMPOSE_FILE)
    found = _NAME.search(next(texts, ""))
    return found[1] if found else None


def renamed(steps: Sequence[Step], old: str | None, new: str) -> tuple[Step, ...]:
    """With another name nothing can be kept."""
    if old in {None, new}:
        return tuple(steps)
    why = f"changed: name of the stack {old} -> {new}"
    return tuple(replace(step, action=Action.RESTART, why=why) if step.action is Action.KEEP else step for step in steps)


def _left(*, replaces: bool) -> tuple[str, ...]:
    return () if replaces else ("--no-recreate",)
