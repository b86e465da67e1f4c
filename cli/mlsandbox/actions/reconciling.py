"""What runs, held against what is written down of it: a command that was killed behind a move has written down less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlsandbox.actions.outcomes import Report
from mlsandbox.engines.base import Observed
from mlsandbox.ledger import Action, Draft, Entry, Interval, Ledger, intervals
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
    there = answering(observed, remembered.models)
    ledger = Ledger(sandbox, report.note)
    entries = ledger.read()
    known = {model: found[-1] for model in there if (found := intervals(entries, model))}
    ledger.append(
        [
            _found(entries, model, version, known.get(model), remembered)
            for model, version in there.items()
            if _is_new(known.get(model), version)
        ]
    )
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


def _is_new(known: Interval | None, version: str) -> bool:
    return known is None or known.until is not None or known.version != version


def _found(entries: Sequence[Entry], model: str, version: str, known: Interval | None, remembered: State) -> Draft:
    """That a version answers, when nobody wrote down since when."""
    of_it = [each for each in entries if each.model == model]
    digest = next((each.digest for each in reversed(of_it) if each.version == version), "")
    again = known is not None and known.version == version
    return Draft(
        action=Action.STARTED if again else Action.DEPLOYED,
        model=model,
        version=version,
        digest=digest,
        began=of_it[-1].time if of_it else "",
        endpoint=suffixed(Port.API, remembered.models, model),
        previous=known.version if known is not None and not again else "",
        facts={"found": "it answered, and the command that made it do so had not written it down"},
    )
