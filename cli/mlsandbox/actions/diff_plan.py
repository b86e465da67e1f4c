"""`sandbox diff --dry-run`: what would be asked, and which environments would be built for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsandbox.actions.diff import DiffOptions, admit_both, rows_for, understood
from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.actions.replay_environments import environment_steps
from mlsandbox.data_rows import TABULAR
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project


@dataclass(frozen=True, slots=True)
class DiffPlan:
    """What `diff` would do."""

    project: str
    plan: tuple[PlannedStep, ...]
    dry_run: bool = True


def planned_diff(project: Project, options: DiffOptions, page: Path | None) -> DiffPlan:
    """What `diff` would do; no model is loaded, nothing is built or written.

    Args:
        project: its settings.
        options: what to compare.
        page: where the report would be written as a page; None: nowhere.

    Raises:
        UsageError, VersionUnknown, InputUnreadable, InputUnfit, NothingLogged, PackageTampered, UntrustedModel, …: as `diff`.
    """
    meant = understood(project, options)
    rows = _rows(project, meant.old, meant.new, options)
    admit_both(project, meant.old, meant.new, trust=options.trust)
    steps = [
        *environment_steps((meant.old, meant.new)),
        PlannedStep("ask", f"{meant.old.version} and {meant.new.version}", f"about {rows}"),
    ]
    if page is not None:
        steps.append(PlannedStep("write", str(page), "the report"))
    return DiffPlan(project.name, tuple(steps))


def _rows(project: Project, old: Package, new: Package, options: DiffOptions) -> str:
    """How many rows of what; of a file that is read in a version's environment, which may not be there, only of which file."""
    data = options.data
    if data is not None and data.name.lower().removesuffix(".gz").endswith(TABULAR) and data.is_file():
        return f"the rows of {data.name}"
    rows = rows_for(project, old, new, options)
    count = f"{len(rows.old):,}" if rows.total <= len(rows.old) else f"{len(rows.old):,} of {rows.total:,}"
    return f"{count} row{'' if count == '1' else 's'} of {rows.source}"
