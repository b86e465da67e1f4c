"""`sandbox promote`: a version becomes the champion, when a gate has nothing against it or is overruled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from mlsandbox.actions.bring import Running, running
from mlsandbox.actions.lineup import chosen_model
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.switching import SwitchOptions, SwitchResult, locked_unless, switch, version_of
from mlsandbox.errors import GateRefused, SwitchFailed
from mlsandbox.ledger import Action
from mlsandbox.output import to_plain
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project

if TYPE_CHECKING:
    from mlsandbox.actions.gate import GateResult
    from mlsandbox.actions.gate_file import Gate


@dataclass(frozen=True, slots=True)
class Judging:
    """A gate that a version has to pass."""

    gate: Gate
    show: Callable[[GateResult], None]
    """Told what the gate says, before anything is done or refused."""
    force: bool = False
    """Promote the version although the gate refuses it; the ledger says so."""


def promote(
    project: Project, version: str, model: str | None, options: SwitchOptions, report: Report, *, judging: Judging | None = None
) -> SwitchResult:
    """Let a version answer; one that does not run is started beside the champion first.

    Args:
        project: its settings.
        version: which.
        model: its model; None: the only one.
        options: how to go about it.
        report: told what happens.
        judging: what it has to pass; None: nothing.

    Raises:
        NotRunning: there is no stack to change.
        VersionUnknown: there is no package of it.
        GateRefused: it is not as good as the gate demands; nothing was changed.
        SwitchFailed, SmokeFailed, GoldenMismatch, ServiceCrashed, StackNotReady, …: it did not become ready; the champion goes on.
    """
    began = time.monotonic()
    name = chosen_model(list(project.models), model)
    seen = running(project, None) if judging is not None else None  # without the lock: judging takes long and touches nothing that runs
    found = _judged(seen, version_of(project, name, version), judging, options, report) if seen and judging else None
    with locked_unless(project, "sandbox promote", report, dry_run=options.dry_run):
        now = running(project, None if options.dry_run else report)
        package = version_of(project, name, version)
        if found is not None and seen is not None:
            _refuse_other(seen.of(name).champion, now.of(name).champion)
        result = switch(now, package, Action.PROMOTED, options, report, began=began, facts=_facts(found, judging))
        return replace(result, gate=found, forced=found is not None and not found.passed)


def _judged(seen: Running, package: Package, judging: Judging, options: SwitchOptions, report: Report) -> GateResult | None:
    """What the gate says; None of a version that answers already.

    Raises:
        GateRefused: it is not passed, and not overruled.
    """
    from mlsandbox.actions.gate import judge  # noqa: PLC0415 - slow to import, and only for a gate

    champion = seen.of(package.model).champion
    if champion.version == package.version:
        return None
    examples = seen.remembered.examples
    found = judge(seen.project, judging.gate, champion, package, report=report, trust=options.trust, examples=examples)
    judging.show(found)
    if not judging.force:
        try:
            found.refuse_unless_passed()
        except GateRefused as error:
            error.fix = error.fix.replace("--force", f"--gate {quote(str(judging.gate.path))} --force")  # what it overrules
            raise
    return found


def _refuse_other(judged: Package, champion: Package) -> None:
    if (judged.version, judged.digest) != (champion.version, champion.digest):
        raise SwitchFailed(
            f"{champion.version} became the champion meanwhile, and the gate compared with {judged.version}",
            fix="do the same again: sandbox promote VERSION --gate FILE   which one answers: sandbox status",
            details={"judged": judged.version, "champion": champion.version},
        )


def _facts(found: GateResult | None, judging: Judging | None) -> Mapping[str, Any]:
    """What the ledger is told of a gate."""
    if found is None or judging is None:
        return {}
    forced = {"forced": True} if not found.passed else {}
    return {"gate": {"file": judging.gate.path.name, "passed": found.passed, **forced, "bounds": to_plain(found.rows)}}
