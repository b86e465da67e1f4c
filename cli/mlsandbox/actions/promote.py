"""`sandbox promote`: a version becomes the champion."""

from __future__ import annotations

import time

from mlsandbox.actions.bring import running
from mlsandbox.actions.lineup import chosen_model
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.switching import SwitchOptions, SwitchResult, locked_unless, switch, version_of
from mlsandbox.ledger import Action
from mlsandbox.project import Project


def promote(project: Project, version: str, model: str | None, options: SwitchOptions, report: Report) -> SwitchResult:
    """Let a version answer; one that does not run is started beside the champion first.

    Args:
        project: its settings.
        version: which.
        model: its model; None: the only one.
        options: how to go about it.
        report: told what happens.

    Raises:
        NotRunning: there is no stack to change.
        VersionUnknown: there is no package of it.
        SwitchFailed, SmokeFailed, GoldenMismatch, ServiceCrashed, StackNotReady, …: it did not become ready; the champion goes on.
    """
    began = time.monotonic()
    name = chosen_model(list(project.models), model)
    with locked_unless(project, "sandbox promote", report, dry_run=options.dry_run):
        now = running(project)
        return switch(now, version_of(project, name, version), Action.PROMOTED, options, report, began=began)
