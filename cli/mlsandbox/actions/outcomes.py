"""What the use cases take and give back. Commands show these; with `-o json` a result's fields are the document's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlsandbox.engines.base import Kept

if TYPE_CHECKING:
    from mlsandbox.actions.challenger_status import ChallengerSeen
    from mlsandbox.alerts import Alert


class Report(Protocol):
    """Told what a long use case is doing, as it does it."""

    def step(self, text: str) -> None:
        """Something began ("Packaging churn"); the next call of any method ends it."""
        ...

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        """Something is done ("Packaged churn v1", "unchanged", 0.1)."""
        ...

    def warn(self, text: str) -> None:
        """Something is not as asked, and work goes on."""
        ...

    def note(self, text: str) -> None:
        """Something worth knowing."""
        ...


@dataclass(frozen=True, slots=True)
class UpOptions:
    """How `up` is to go about it."""

    dry_run: bool = False
    """Change nothing: the result holds the plan."""
    wait: bool = True
    """Return only when the stack is ready and has answered."""
    trust: bool = False
    """Load models whose pickles use code outside the allow-list."""
    timeout: float | None = None
    """Seconds until a stack that is not ready is an error; None: the default."""
    example: Mapping[str, object] | None = None
    """A row for the smoke prediction, when the package has none."""
    warm: bool = False
    """Keep the version that answered before running, so that going back to it takes no start."""
    reason: str = ""
    """Why, for the ledger."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One thing that `--dry-run` would do."""

    action: str
    """"package", "create", "update", "start", "stop", "keep", …"""
    subject: str
    why: str


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as it is now."""

    name: str
    state: str
    """"healthy", "starting", "unhealthy", "restarting", "refused", "failed", "stopping", "stopped"; "done" of what runs once."""
    since: datetime | None = None
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    memory_bytes: int | None = None
    reason: str | None = None
    change: str | None = None
    """What `up` did to it: "created", "updated", "unchanged"; None elsewhere."""


@dataclass(frozen=True, slots=True)
class SmokePrediction:
    """A real answer of the endpoint to a real row."""

    prediction: object
    probability: float | None
    """Of the predicted class; None without probabilities."""
    seconds: float
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GoldenSummary:
    """How the golden rows were reproduced."""

    rows: int
    bit_equal: int


@dataclass(frozen=True, slots=True)
class UpResult:
    """A stack after `up` (or, with `dry_run`, as it would be)."""

    project: str
    engine: str
    model: str
    version: str | None
    digest: str | None
    endpoints: Mapping[str, str]
    """By name: "api", "docs", … ; each further model as "api-<model>"."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of dashboards, Prometheus and Alertmanager, as far as the stack has them."""
    services: tuple[ServiceState, ...] = ()
    smoke: SmokePrediction | None = None
    golden: GoldenSummary | None = None
    curl: str | None = None
    """One line that can be pasted."""
    unchanged: bool = False
    """The stack was running already, and nothing had to be done."""
    elapsed: float = 0.0
    """Seconds."""
    since: datetime | None = None
    """When the stack became ready."""
    plan: tuple[PlannedStep, ...] = ()
    """What was, or with --dry-run would be, done, and why."""
    notes: tuple[str, ...] = ()
    """What was worth knowing: a licence that is said once per project, a drift engine that is left out."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class InitResult:
    """What `init` made."""

    root: Path
    model: str
    kind: str
    created: tuple[str, ...]
    """Paths relative to `root`."""
    dry_run: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DownResult:
    """What `down` stopped, and what is left."""

    project: str
    stopped: tuple[str, ...]
    kept: Mapping[str, int]
    """Bytes of what remains in `.sandbox`, by what it is."""
    removed: tuple[str, ...] = ()
    """What --volumes removed, or with `dry_run` would remove, in `.sandbox`, by name."""
    kept_outside: tuple[Kept, ...] = ()
    """What remains outside of the project's folder: volumes and images of a container engine, also those that all projects share."""
    removed_outside: tuple[Kept, ...] = ()
    """What --volumes removed, or with `dry_run` would remove, of that."""
    elapsed: float = 0.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DownAllResult:
    """What `down --all` did."""

    stacks: tuple[DownResult, ...] = ()
    removed_shared: tuple[Kept, ...] = ()
    """What --volumes removed, or with `dry_run` would remove, of what no stack is left to use."""
    kept_shared: tuple[Kept, ...] = ()
    """What remains of that."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ModelDriftState:
    """What the drift service says of one model, as in `sandbox drift`."""

    model: str
    version: str
    state: str
    """"drift", "change", "steady", "learning" or "waiting"."""
    sentence: str
    """The same in words."""


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the drift service says of what is served."""

    state: str
    """That of the model that needs attention most; "unknown" when the service does not say."""
    checked_at: datetime | None
    models: tuple[ModelDriftState, ...] = ()
    reason: str | None = None
    """Why it is not known."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Engines that were asked for and do not work, and why."""
    failed: tuple[str, ...] = ()
    """What of the second opinion could not be compared, or be made at all, by name."""


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version of a model that runs, and what it does."""

    model: str
    version: str
    role: str
    """"champion" (it answers), "challenger" (it is tried beside it) or "standby" (it answered before, and runs to be gone back to)."""
    service: str
    state: str
    """As in `ServiceState`."""
    percent: float | None = None
    """Of a challenger: of the champion's requests it answers these."""
    shadow: bool = False
    """Of a challenger: whether it sees a copy of all of them."""
    tried: ChallengerSeen | None = None
    """Of a challenger: what its champion has seen of it since the champion's start; None when that is not known."""


@dataclass(frozen=True, slots=True)
class StatusResult:
    """A stack as it is now."""

    project: str
    engine: str
    state: str
    """"healthy", "starting", "degraded" or "stopped"."""
    version: str | None
    since: datetime | None
    endpoints: Mapping[str, str]
    services: tuple[ServiceState, ...]
    warnings: tuple[str, ...] = ()
    """What needs attention, one sentence each; alerts too."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the pages that come with a stack and run: "grafana" (its overview), more dashboards, "drift", "prometheus", …"""
    drift: DriftState | None = None
    """None without a drift service that is ready."""
    alerts: tuple[Alert, ...] = ()
    """Those that are active, the worst first."""
    versions: tuple[VersionState, ...] = ()
    """Those that run, model by model, the one that answers first."""


@dataclass(frozen=True, slots=True)
class StackEntry:
    """One stack of this machine."""

    name: str
    directory: Path
    engine: str
    state: str
    url: str | None


@dataclass(frozen=True, slots=True)
class StackList:
    """All stacks of this machine."""

    stacks: tuple[StackEntry, ...] = field(default=())
