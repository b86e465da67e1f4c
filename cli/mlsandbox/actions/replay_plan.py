"""`sandbox replay --dry-run`: what would be asked again, and which environments would be built for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.actions.replay import Event, Report, Wanted, grouped, package_of, sorted_out, wanted_events
from mlsandbox.actions.replay_environments import environment_steps
from mlsandbox.errors import PackageTampered
from mlsandbox.packaging.package import Package, verify_package


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What `replay` would do."""

    plan: tuple[PlannedStep, ...]
    dry_run: bool = True


def planned_replay(root: Path, wanted: Wanted, report: Report) -> ReplayPlan:
    """What `replay` would do; nothing is asked, built or written.

    Args:
        root: the project's folder.
        wanted: which logged predictions.
        report: told what takes time.

    Raises:
        NothingLogged, EventLogUnreadable, NotRunning: as `replay`.
    """
    found, _ = wanted_events(root, wanted, report)
    able: dict[str, Package] = {}
    steps: list[PlannedStep] = []
    for (model, version, digest), group in grouped(found).items():
        package = package_of(root, model, version)
        requests, reasons = _sorted(package, digest, group)
        if package is not None and requests:
            able[package.tag] = package
            steps.append(PlannedStep("ask", f"{model} {version}", f"about {_many(requests)} again"))
        steps += [PlannedStep("leave", f"{_many(count)} of {model} {version}", why) for why, count in reasons.items()]
    return ReplayPlan((*environment_steps(able.values()), *steps))


def _sorted(package: Package | None, digest: str, group: Sequence[Event]) -> tuple[int, Mapping[str, int]]:
    """How many requests a package would be asked, and how many not, by the reason."""
    events, others = sorted_out(package, digest, group)
    reasons = Counter(each.why for each in others)
    if package is not None and events:
        try:
            verify_package(package)
        except PackageTampered as error:
            return 0, {**reasons, error.what: len(events)}
    return len(events), reasons


def _many(requests: int) -> str:
    return f"{requests:,} logged request{'' if requests == 1 else 's'}"
