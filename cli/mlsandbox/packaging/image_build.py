"""Building one image with the `docker` command, whose BuildKit can do what its API for programs cannot."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mlsandbox.errors import CommandFailed, ImageBuildFailed
from mlsandbox.packaging.containerfile import WHEELS
from mlsandbox.packaging.image_access import PROXIES, BuildAccess, write_secrets
from mlsandbox.run import mask_passwords, run

_STEP: Final = re.compile(r"^#\d+ \[(?:\S+ +)?\d+/\d+\] (RUN|COPY|FROM) (.*)$")
_SAID: Final = re.compile(r"^#\d+ [\d.]+ +(.*)$")
_PHASES: Final = (
    ("requirements.txt", "installing packages"),
    ("gem install", "installing gems"),
    ("chmod", "finishing"),
)
_TAIL_LINES: Final = 6
PRIVATE: Final = "mlsandbox-build-"
"""How the names of folders begin that hold the secrets of a build."""
_NEW_SECONDS: Final = 60
"""A younger one may be about to be locked."""
_CAUSES: Final = (
    (
        re.compile(r"No interpreter found|requires Python", re.IGNORECASE),
        "the base image has another Python than the model: set [stack.images] python to one of the model's version",
    ),
    (
        re.compile(r"buildx component is missing|unknown flag: --(secret|build-context)|BuildKit is enabled but", re.IGNORECASE),
        "install Docker's buildx plugin (package docker-buildx-plugin or docker-buildx), then: docker buildx version",
    ),
    (
        re.compile(r"error sending request|dns error|Temporary failure in name resolution|connection refused|timed out", re.IGNORECASE),
        "a build runs in a container: set stack.proxy, stack.ca or pip's index-url so that it reaches the package index",
    ),
    (re.compile(r"no space left on device", re.IGNORECASE), "make room: docker system df shows what takes it"),
    (
        re.compile(r"Hash mismatch|no version of|not found in the package registry|No solution found", re.IGNORECASE),
        "the lock names a distribution that the index does not have: set pip's index-url or extra-index-url to the one that has it",
    ),
)


class Report(Protocol):
    """Told what takes time."""

    def step(self, text: str) -> None: ...

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Build:
    """One `docker build`.

    Args:
        title: what it is of, for messages ("churn v1").
        tag: the image's name.
        context: its files.
        dockerfile: its instructions, wherever they lie.
        labels: of the image.
        arguments: build arguments; they stay in its history.
        wheels: folder with distributions that no index has; may be empty.
    """

    title: str
    tag: str
    context: Path
    dockerfile: Path
    labels: Mapping[str, str]
    arguments: Mapping[str, str]
    wheels: Path


def build_image(build: Build, access: BuildAccess, *, authorities: Path | None, log: Path, report: Report) -> None:
    """Build, with what the builder says in `log`.

    Raises:
        ImageBuildFailed: with the last lines of it.
        ProgramMissing: there is no `docker` command.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    names = [name for proxy in PROXIES if proxy in access.proxies for name in (proxy, proxy.lower())]
    env: dict[str, str | None] = {name: access.proxies[name.upper()] for name in names}
    # The context's own builder, which sees the engine's images; no attestations, which would change the image with every build.
    env |= {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": None, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDKIT_PROGRESS": None}
    with _private_folder() as private, log.open("w", encoding="utf-8") as output:
        argv = [
            *("docker", "build", "--progress", "plain", "--pull=false", "--network", access.network),
            *("--tag", build.tag, "--file", str(build.dockerfile), "--build-context", f"{WHEELS}={build.wheels}"),
            *(word for name, value in build.labels.items() for word in ("--label", f"{name}={value}")),
            *(word for name, value in build.arguments.items() for word in ("--build-arg", f"{name}={value}")),
            *(word for name in names for word in ("--build-arg", name)),  # its value comes from the environment
            *write_secrets(access, private, authorities=authorities),
            str(build.context),
        ]

        def on_line(line: str) -> None:
            output.write(f"{mask_passwords(line)}\n")
            phase = phase_of(line)
            if phase:
                report.step(f"Building the image of {build.title}: {phase}")

        try:
            run(argv, what=f"building the image of {build.title}", env=env, on_line=on_line)
        except CommandFailed as error:
            raise build_error(str(error.details["stderr"]), build.title, build.tag, log) from error


def phase_of(line: str) -> str:
    """What the builder begins with this line, in a few words; "" when it is nothing that takes long."""
    found = _STEP.match(line)
    if found is None or found[1] != "RUN":
        return ""
    return next((phase for mark, phase in _PHASES if mark in found[2]), "")


def build_error(said: str, title: str, tag: str, log: Path) -> ImageBuildFailed:
    """The failure, with what the failing command wrote."""
    lines = [line for line in mask_passwords(said).splitlines() if line.strip()]
    told = [found[1] for line in lines if (found := _SAID.match(line))]
    last = "\n".join((told or lines)[-_TAIL_LINES:])
    fix = next((fix for cause, fix in _CAUSES if cause.search(said)), "see what it said")
    return ImageBuildFailed(
        f"the image of {title} could not be built", why=last, fix=f"{fix}   (all of it: {log})", details={"image": tag, "log": str(log)}
    )


@contextlib.contextmanager
def scratch_folder(sandbox: Path) -> Iterator[Path]:
    """An empty folder for one build in a project's `.sandbox`, which holds large models without filling /tmp."""
    parent = sandbox / "build"
    shutil.rmtree(parent, ignore_errors=True)  # what a killed build left; nobody else builds: the project is locked
    parent.mkdir(parents=True)
    try:
        yield parent
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """For secrets: in memory where there is such a place; locked while it is used, so that what a killed build left can be told."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    remove_left_secrets(place)
    with tempfile.TemporaryDirectory(prefix=PRIVATE, dir=place) as folder, _locked(Path(folder)):
        yield Path(folder)


def remove_left_secrets(place: Path) -> None:
    """Remove the secrets of builds that were killed before they could do it themselves."""
    for folder in place.glob(f"{PRIVATE}*"):
        with contextlib.suppress(OSError):  # another build's, or gone meanwhile
            made = folder.lstat()
            if stat.S_ISDIR(made.st_mode) and made.st_uid == os.getuid() and time.time() - made.st_mtime > _NEW_SECONDS:
                with _locked(folder):
                    shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError when another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
