"""What runs, held against what is written down of it: a command that was killed behind a move has written down less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlsandbox.actions.outcomes import Report
from mlsandbox.engines.base import Observed
from mlsandbox.ledger import Action, Draft, Entry, Ledger, intervals
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.stack.components.base import suffixed
from mlsandbox.state import State, save_state
from mlsandbox.supervise.transition import State as Phase
from mlsandbox_serving.contract import Port


def caught_up(sandbox: Path, observed: Observed, remembered: State, report: Report) -> State:
    """The state as what runs has it, and the ledger with it.

    Args:
        sandbox: the project's `.sandbox`.
        observed: the stack as it runs.
        remembered: the state as it was saved.
        report: told of an entry that was interrupted.

    Raises:
        LedgerUnwritable: it takes no entry.
    """
    ledger = Ledger(sandbox, report.note)
    entries = ledger.read()
    drafts = [
        _found(package, [each for each in entries if each.model == package.model], remembered.models)
        for model, version in answering(observed, remembered.models).items()
        for package in list_packages(sandbox.parent, model)
        if package.version == version
    ]
    ledger.append([draft for draft in drafts if draft is not None])
    caught = as_answering(observed, remembered)
    if caught != remembered:
        save_state(sandbox, caught)
    return caught


def as_answering(observed: Observed, remembered: State) -> State:
    """The state with the versions that answer, by the names of what runs (pure)."""
    return replace(remembered, served={**remembered.served, **answering(observed, remembered.models)})


def answering(observed: Observed, models: Sequence[str]) -> dict[str, str]:
    """For each of a stack's models that answers the version that does, by the names of what runs (pure)."""
    fronts = {suffixed(Port.API, models, model): model for model in models}
    found = {}
    for front in observed.fronts:
        service = observed.service(front.service)
        if front.name in fronts and service is not None and service.state is Phase.READY:
            found[fronts[front.name]] = front.service.removeprefix(f"{front.name}-")
    return found


def _found(package: Package, of_it: Sequence[Entry], models: Sequence[str]) -> Draft | None:
    """That a version answers, when nobody wrote down since when; None when somebody did."""
    last = next(iter(intervals(of_it, package.model)[-1:]), None)
    same = last is not None and last.version == package.version
    if last is not None and same and last.until is None:
        return None
    return Draft(
        action=Action.STARTED if same else Action.DEPLOYED,
        model=package.model,
        version=package.version,
        digest=package.digest,
        began=of_it[-1].time if of_it else "",
        endpoint=suffixed(Port.API, models, package.model),
        previous=last.version if last is not None and not same else "",
        facts={"found": "it answered, and the command that made it do so had not written it down"},
    )
