"""What a proof comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """The part of a proof that found something."""

    SERVED = "served"
    """Which kinds the cluster serves, and which Kubernetes it is."""
    DRY_RUN = "dry-run"
    """The API server refuses an object, or warns of it."""
    POD = "pod"
    """It refuses a pod made from an object's template, or warns of it."""
    APPLY = "apply"
    READY = "ready"
    GOLDEN = "golden"
    METRICS = "metrics"
    EVENTS = "events"
    CLEAN_UP = "clean-up"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be."""

    step: Step
    subject: str
    """"Deployment churn", "HTTPRoute (httproute)"."""
    message: str
    fix: str = ""
    """What to do about it, where more than the message can be said."""
    lines: tuple[str, ...] = ()
    """The last lines that a container wrote."""


@dataclass(frozen=True, slots=True)
class ProvedModel:
    """What was asked of one model in the cluster."""

    model: str
    version: str | None
    golden_rows: int | None = None
    """Rows of the package that were compared; None: none were."""
    differing: int = 0
    metrics: int | None = None
    """Metrics that were seen; None: not looked at."""
    event_fields: int | None = None
    """Fields of the event of a proving request; None: not looked at."""

    @property
    def unseen(self) -> tuple[str, ...]:
        """What was not looked at."""
        seen = {"golden rows": self.golden_rows, "metrics": self.metrics, "events": self.event_fields}
        return tuple(f"{what} of {self.model}" for what, count in seen.items() if count is None)


@dataclass(slots=True)
class ProveResult:
    """What a cluster said, and what was seen there."""

    context: str | None
    server: str
    """Its version, "v1.36.0"."""
    namespace: str
    """The throw-away one."""
    ready_nodes: int | None = None
    """None: they may not be listed."""
    checked: int = 0
    """Objects that went through the dry run."""
    pods: int = 0
    """Pods that did."""
    applied: int = 0
    """Objects that were applied for real; 0: only the dry run was done."""
    models: list[ProvedModel] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What was not proven, and why, one sentence each."""
    verdict: str = ""
    """In words, once it is over."""

    @property
    def proven(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def conclude(self) -> None:
        """Say what it comes to."""
        count, unseen = len(self.findings), [what for each in self.models for what in each.unseen]
        if count:
            self.verdict = f"not proven: {count} finding{'s' if count > 1 else ''}"
        elif not self.applied:
            self.verdict = "proven by a dry run alone"
        else:
            self.verdict = f"proven, but for: {', '.join(unseen)}" if unseen else "proven"
