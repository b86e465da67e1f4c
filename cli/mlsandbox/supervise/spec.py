"""The supervisor's orders: the list of processes in `processes.json`, and the folder that a supervisor works in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

LIST_VERSION: Final = 2


class Need(StrEnum):
    """When a process that another one needs counts as there."""

    STARTED = "started"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """An HTTP GET that answers 200 when the process is ready."""

    host: str
    port: int
    path: str
    period: float = 0.2
    """Seconds between two tries while starting; ten times as long once ready."""
    identified: bool = True
    """The JSON body must hold our own `stack_id`; anything else is another process on that port."""
    key_file: str | None = None
    """Holds the API keys of a service that tells all only to who has one; the first is sent."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to keep running."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """What decides about it; the supervisor adds its marks and inherits nothing of its own."""
    cwd: str
    log_path: str
    ports: Mapping[str, int] = field(default_factory=dict)
    """What it binds on loopback, by name; looked at before each start."""
    readiness: HttpProbe | None = None
    """None: ready as soon as it runs."""
    needs: Mapping[str, Need] = field(default_factory=dict)
    """Start order, and backwards the stop order."""
    stop_grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    memory_bytes: int | None = None
    """Cap of the resident memory of the process and its children; past it they are restarted."""
    surroundings: Mapping[str, str] = field(default_factory=dict)
    """More of its environment, which is no reason to restart it when it is different the next time; `env` goes before it."""

    def digest(self) -> str:
        """Names what runs: two specs with the same digest are the same process (order of starting and surroundings aside)."""
        content = asdict(self)
        del content["needs"], content["surroundings"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def without(self, names: Collection[str]) -> ProcessSpec:
        """The same process in a list that lacks `names`."""
        return replace(self, needs={name: need for name, need in self.needs.items() if name not in names})


@dataclass(frozen=True, slots=True)
class FrontSpec:
    """A listening socket that the supervisor holds, and hands to the process that is to answer there."""

    name: str
    host: str
    """Address that it binds."""
    port: int
    service: str
    """Name of the process that answers."""


@dataclass(frozen=True, slots=True)
class ProcessList:
    """All of `processes.json`."""

    processes: tuple[ProcessSpec, ...] = ()
    fronts: tuple[FrontSpec, ...] = ()

    def process(self, name: str) -> ProcessSpec | None:
        """The process of that name, None when there is none."""
        return next((each for each in self.processes if each.name == name), None)


class ListInvalid(ValueError):
    """`processes.json` cannot be read; the message says where."""


def list_to_json(listed: ProcessList) -> str:
    """The text of `processes.json`."""
    return json.dumps({"schema_version": LIST_VERSION, **asdict(listed)}, indent=1, ensure_ascii=False) + "\n"


def list_from_json(text: str) -> ProcessList:
    """The inverse of `list_to_json`.

    Raises:
        ListInvalid: not JSON, another version, or a member that does not fit.
    """
    try:
        document = json.loads(text)
        if document["schema_version"] != LIST_VERSION:
            raise ListInvalid(f"schema_version {document['schema_version']!r}, this program knows {LIST_VERSION}")
        processes = tuple(_process(entry) for entry in document["processes"])
        return ProcessList(processes, tuple(FrontSpec(**entry) for entry in document["fronts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ListInvalid(f"processes.json: {type(error).__name__}: {error}") from error


def list_digest(text: str) -> str:
    """Names one content of `processes.json`; status.json echoes the one that the supervisor follows."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _process(entry: dict[str, Any]) -> ProcessSpec:
    probe = entry["readiness"]
    return ProcessSpec(
        **{
            **entry,
            "argv": tuple(entry["argv"]),
            "readiness": None if probe is None else HttpProbe(**probe),
            "needs": {name: Need(need) for name, need in entry["needs"].items()},
        }
    )


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one supervisor, below a project's `.sandbox`."""

    path: Path

    @property
    def project(self) -> str:
        """Real path of the project: the mark that all its processes carry."""
        return str(self.path.parent.resolve())

    @property
    def processes(self) -> Path:
        return self.path / "stack" / "processes.json"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def front_socket(self) -> Path:
        """Where workers of model services ask for the sockets of their fronts, as far as so long a path can be bound."""
        return self.run / "fronts.sock"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for its whole life; its content is the supervisor's pid."""
        return self.run / "supervisor.lock"

    @property
    def status(self) -> Path:
        return self.run / "status.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"
