"""`sandbox rollback`: the version that answered before answers again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlsandbox.actions.bring import Running, running
from mlsandbox.actions.lineup import chosen_model
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.switching import SwitchOptions, SwitchResult, locked_unless, switch, version_of
from mlsandbox.errors import NothingBefore, VersionUnknown
from mlsandbox.ledger import Action, Entry, Ledger, intervals, previous_champion
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.project import Project


def rollback(project: Project, version: str | None, model: str | None, options: SwitchOptions, report: Report) -> SwitchResult:
    """Let the version answer that did before, or another one that is named. Nothing is built.

    Args:
        project: its settings.
        version: which; None: the champion before.
        model: its model; None: the only one.
        options: how to go about it.
        report: told what happens.

    Raises:
        NotRunning: there is no stack to change.
        NothingBefore: no other version ever answered.
        VersionUnknown: there is no package of it, or none any more.
        SwitchFailed, GoldenMismatch, StackNotReady, …: it did not become ready; what answered goes on.
    """
    began = time.monotonic()
    name = chosen_model(list(project.models), model)
    with locked_unless(project, "sandbox rollback", report, dry_run=options.dry_run):
        now = running(project, None if options.dry_run else report)
        package = version_of(project, name, version) if version is not None else _before(now, name)
        return switch(now, package, Action.ROLLED_BACK, options, report, began=began)


def _before(now: Running, model: str) -> Package:
    entries = Ledger(now.project.state_dir).read()
    entry, champion = previous_champion(entries, model), now.of(model).champion.version
    if entry is None:
        raise nothing_before(entries, model, champion)
    packages = list_packages(now.project.root, model)
    found = next((each for each in packages if (each.version, each.digest) == (entry.version, entry.digest)), None)
    if found is None:
        others = [each.version for each in packages if each.version != champion]
        raise VersionUnknown(
            f"{model} {entry.version} answered before {champion}, and its package is gone",
            why="It is not among the packages in .sandbox/bentoml, and the ledger does not say that it was removed.",
            fix=f"let another one answer: sandbox rollback {others[0]}" if others else "package one again: sandbox up",
            details={"model": model, "version": entry.version, "versions": [each.version for each in packages]},
        )
    return found


def nothing_before(entries: Sequence[Entry], model: str, champion: str) -> NothingBefore:
    """The error of a model without a version to go back to (pure)."""
    answered = {each.version for each in intervals(entries, model)} - {champion}
    removed = [each for each in entries if each.action is Action.REMOVED and each.model == model and each.version in answered]
    return NothingBefore(
        f"there is no version of {model} to go back to from {champion}",
        why="\n".join(f"{each.version} was removed at {each.time} by {each.by}." for each in removed)
        or ("Those that answered before were rolled back from." if answered else "No other version ever answered."),
        fix="see which versions there are: sandbox versions   and let one of them answer: sandbox promote VERSION",
        details={"model": model, "champion": champion},
    )
