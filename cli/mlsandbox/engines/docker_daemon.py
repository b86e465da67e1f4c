"""What is asked of the Docker engine for one project's stack. Everything of it is found by its labels, whatever files are left."""
# ruff: noqa: PLC0415 - docker is slow to import and needed by one engine alone

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from mlsandbox.docker_host import CONTENT, OWNER, answering, connect, endpoint, owner_of
from mlsandbox.engines import docker_exec
from mlsandbox.engines.base import Keeping, Kept
from mlsandbox.engines.docker_lines import lines_of
from mlsandbox.engines.docker_observe import (
    FOLDER,
    ONE_OFF,
    PROJECT,
    Container,
    Recorded,
    container_of,
    current,
    exit_code,
    with_body,
)
from mlsandbox.errors import EngineUnavailable
from mlsandbox.render.compose import Label

if TYPE_CHECKING:
    from docker import APIClient
    from docker.types import CancellableStream

_SECONDS: Final = 20
"""Until an engine that does not answer is given up."""
_API: Final = (1, 44)
"""Of Engine 25, the first that knows `start_interval` of health checks."""
_AT_ONCE: Final = 8
_WHOLE_ANSWER: Final = """
import sys, urllib.error, urllib.request
try:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer = direct.open("http://127.0.0.1:" + sys.argv[1] + sys.argv[2], timeout=4)
except urllib.error.HTTPError as error:
    answer = error
print(answer.read(1_000_000).decode("utf-8", "replace"))
"""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a container's process."""

    exit_code: int
    """Negative for a signal."""
    time: float
    """Epoch seconds."""
    memory_exceeded: bool


class Daemon:
    """The Docker engine, as far as one project's stack is concerned."""

    def __init__(self, root: str) -> None:
        """Args: root: the project's folder, as in `Label.ROOT`."""
        self._root = root

    @cached_property
    def api(self) -> APIClient:
        """The connection, made when it is first needed.

        Raises:
            EngineUnavailable: there is none, it does not answer, or it is too old.
        """
        api = connect(timeout=_SECONDS).api
        with answering():
            found = tuple(int(part) for part in api.api_version.split("."))
        if found < _API:
            raise EngineUnavailable(
                "this Docker engine is too old",
                why=f"It speaks API {api.api_version}; health checks that are quick while starting came with Engine 25 (API 1.44).",
                fix="upgrade Docker to 25 or later, or run without it: sandbox up --engine embedded",
                details={"endpoint": endpoint(), "api": api.api_version},
            )
        return api

    def containers(self, recorded: Mapping[str, Recorded], *, whole: bool = True) -> tuple[Container, ...]:
        """The stack's containers, one for each service.

        Args:
            recorded: what was written down when the stack was made, by service.
            whole: whether an answer to a health check that the engine cut is asked for again.
        """
        with answering():
            found = current(self._inspected(self._ours(), recorded))
        return tuple(self._completed(each) if whole and each.cut_answer else each for each in found)

    def memory(self, containers: Sequence[Container]) -> Mapping[str, int]:
        """Bytes that each running container's processes use, by id."""
        running = [each.id for each in containers if each.running]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            used = pool.map(self._memory, running)
            return {identity: number for identity, number in zip(running, used, strict=True) if number is not None}

    def stranger(self, project: str, folder: str) -> str | None:
        """Whose containers have this name of a stack and are not of this project: a folder, "" when nothing tells; None: nobody's.

        Args:
            project: Compose's name of the stack.
            folder: where this project's own are made from, also those that the user's own Compose file adds.
        """
        with answering():
            for each in self.api.containers(all=True, filters={"label": [f"{PROJECT}={project}"]}):
                labels = each["Labels"]
                if labels.get(Label.ROOT, self._root if labels.get(FOLDER) == folder else "") != self._root:
                    return str(labels.get(Label.ROOT) or labels.get(FOLDER) or "")
        return None

    def start(self, container: Container) -> None:
        """Start a container that was made and not started; why it cannot be is in its state then."""
        with answering(), _refusal():
            self.api.start(container.id)

    def stop(self, containers: Sequence[Container], *, seconds: float | None = None) -> None:
        """Stop containers, all at once.

        Args:
            containers: which; one that has ended or is gone is no mistake.
            seconds: that each gets to end by itself at most; None: what it was made with.
        """
        graces = [each.stop_seconds if seconds is None else min(seconds, each.stop_seconds) for each in containers]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._stop, [each.id for each in containers], graces))

    def remove(self, containers: Sequence[Container]) -> None:
        """Remove containers, all at once; one that is gone is no mistake."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._remove, [each.id for each in containers]))

    def everything(self, folder: str) -> tuple[Container, ...]:
        """Every container of the project, also half made ones and what the user's own Compose file in `folder` added."""
        with answering():
            added = self.api.containers(all=True, filters={"label": [f"{FOLDER}={folder}"]})
            identities = {*self._ours(), *(each["Id"] for each in added)}
        return tuple(self._inspected(sorted(identities), {}))

    def remove_networks(self, projects: Collection[str] = ()) -> bool:
        """Remove the stack's networks, as far as no container uses them; whether there were some.

        Args:
            projects: Compose's names of it: the user's own Compose file may have added some that do not bear our label.
        """
        removed = False
        with answering():
            for label in (f"{Label.ROOT}={self._root}", *(f"{PROJECT}={each}" for each in projects)):
                for each in self.api.networks(filters={"label": [label]}):
                    with _absence(), _refusal():
                        self.api.remove_network(each["Id"])
                        removed = True
        return removed

    def execute(self, container: Container, argv: Sequence[str]) -> str:
        """What a program writes inside of a container, with both of its outputs; what an engine says instead when it cannot run it."""
        from docker.errors import APIError

        with answering():
            try:
                return docker_exec.written(self.api, container.id, argv)
            except APIError as error:  # gone, or not running
                return str(error.explanation or error)

    def addresses(self, container: Container) -> frozenset[str]:
        """Where a container is reached, in each network that it is in; none when it is gone or does not run."""
        with answering(), _absence():
            networks = self.api.inspect_container(container.id)["NetworkSettings"]["Networks"]
            return frozenset(each["IPAddress"] for each in networks.values() if each.get("IPAddress"))
        return frozenset()

    def first_end(self, container: Container, *, since: datetime) -> End | None:
        """How a container ended for the first time after `since`; None when the engine does not know any more."""
        memory_exceeded = False
        with answering():
            events = self.api.events(
                since=int(since.timestamp()),
                until=int(datetime.now(since.tzinfo).timestamp()) + 1,
                filters={"container": container.id, "event": ["die", "oom"]},
                decode=True,
            )
            with contextlib.closing(events):
                for each in events:
                    if each["Action"] == "die":
                        return End(exit_code(int(each["Actor"]["Attributes"]["exitCode"])), each["timeNano"] / 1e9, memory_exceeded)
                    memory_exceeded = True
        return None

    def tail(self, container: Container, lines: int, *, since: float | None = None, until: float | None = None) -> tuple[str, ...]:
        """The last lines that a container wrote between two moments (epoch seconds); none when its log driver cannot be read."""
        with answering(), _absence(), _refusal():
            raw = self.api.logs(container.id, tail=lines, since=since, until=until)
            return tuple(lines_of(bytes(raw))[-lines:])
        return ()

    def written(self, identity: str, lines: int) -> list[str]:
        """The last lines that a container wrote, each behind its time; as `tail`."""
        with answering(), _absence(), _refusal():
            return lines_of(bytes(self.api.logs(identity, tail=lines, timestamps=True)))
        return []

    def follow(self, identity: str, *, since: float | None) -> CancellableStream[bytes] | None:
        """The same as it comes, from a moment (epoch seconds) on; None when the container is gone or cannot be read."""
        with answering(), _absence(), _refusal():
            return self.api.logs(identity, stream=True, follow=True, timestamps=True, since=since)
        return None

    def kept(self) -> tuple[Kept, ...]:
        """Volumes and images of this project."""
        with answering():
            volumes = self.api.volumes(filters={"label": [f"{Label.ROOT}={self._root}"]})["Volumes"] or ()
            images = self.api.images(filters={"label": [f"{OWNER}={owner_of(self._root)}"]})
            return (
                *(Kept(Keeping.VOLUME, each["Name"]) for each in sorted(volumes, key=lambda volume: volume["Name"])),
                *(Kept(Keeping.IMAGE, name, each["Size"]) for each in images for name in _image_names(each)),
            )

    def shared(self, but_for: Collection[str] | None = None) -> tuple[Kept, ...]:
        """Images of our own services, which are of no project; given folders, only what nothing uses but the projects in them."""
        with answering():
            users = [] if but_for is None else self.api.containers(all=True)
            used = {each["ImageID"] for each in users if (each["Labels"] or {}).get(Label.ROOT) not in (but_for or ())}
            images = [each for each in self.api.images(filters={"label": [CONTENT]}) if OWNER not in (each["Labels"] or {})]
            free = [each for each in images if each["Id"] not in used]
            kept = [Kept(Keeping.SHARED, name, each["Size"]) for each in free for name in _image_names(each)]
            return tuple(sorted(kept, key=lambda each: each.name))

    def remove_kept(self, each: Kept) -> bool:
        """Remove one of `kept` or `shared`; False when it is in use."""
        with answering(), _refusal():
            if each.kind is Keeping.VOLUME:
                self.api.remove_volume(each.name)
            else:
                self.api.remove_image(each.name)
            return True
        return False

    def _ours(self) -> list[str]:
        with answering():
            listed = self.api.containers(all=True, filters={"label": [f"{Label.ROOT}={self._root}"]})
            return [each["Id"] for each in listed if PROJECT in each["Labels"] and each["Labels"].get(ONE_OFF) != "True"]

    def _inspected(self, identities: Sequence[str], recorded: Mapping[str, Recorded]) -> list[Container]:
        found = []
        for each in identities:
            with answering(), _absence():  # gone between the two requests
                found.append(container_of(self.api.inspect_container(each), recorded))
        return found

    def _completed(self, container: Container) -> Container:
        with answering(), _absence(), _refusal():
            argv = ("python", "-c", _WHOLE_ANSWER, *container.cut_answer)
            return with_body(container, docker_exec.written(self.api, container.id, argv, stderr=False))
        return container

    def _memory(self, identity: str) -> int | None:
        with answering(), _absence(), _refusal():
            memory = self.api.stats(identity, stream=False, one_shot=True).get("memory_stats") or {}
            details = memory.get("stats") or {}
            cache = details.get("inactive_file", details.get("total_inactive_file", 0))  # as `docker stats` counts
            return max(0, memory["usage"] - cache) if "usage" in memory else None
        return None

    def _stop(self, identity: str, seconds: float) -> None:
        with answering(), _absence():
            self.api.stop(identity, timeout=int(seconds))  # nothing when it has ended

    def _remove(self, identity: str) -> None:
        from docker.errors import APIError

        with answering(), _absence():
            try:
                self.api.remove_container(identity, force=True)
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:  # it is being removed already
                    raise


def _image_names(image: Mapping[str, Any]) -> list[str]:
    """All names of an image: it is gone when the last one is; without any, its id."""
    return [name for name in image.get("RepoTags") or () if not name.startswith("<none>")] or [image["Id"]]


def _absence() -> contextlib.suppress:
    """What is gone meanwhile needs nothing done to it."""
    from docker.errors import NotFound

    return contextlib.suppress(NotFound)


def _refusal() -> contextlib.suppress:
    """What the engine will not do now, as it is in use or not running."""
    from docker.errors import APIError

    return contextlib.suppress(APIError)
