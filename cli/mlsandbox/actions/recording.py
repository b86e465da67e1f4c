"""Writes down what answers otherwise than before: into the ledger, into state.json, and as marks on the dashboards."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.deployment import Deployed, with_deployed
from mlsandbox.actions.outcomes import Report
from mlsandbox.annotations import annotate
from mlsandbox.engines.base import Observed, Switched
from mlsandbox.errors import LedgerBroken, LedgerUnwritable
from mlsandbox.ledger import Action, Draft, Entry, Interval, Ledger, facts_of, stamp, where
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.project import Project
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.components.grafana import PASSWORD
from mlsandbox.state import State, save_state
from mlsandbox_serving.contract import Port

ANSWERING = frozenset({Action.DEPLOYED, Action.PROMOTED, Action.ROLLED_BACK})
"""What makes a version answer that did not."""


VANISHED: Final = "it was found not running; when it ended is not known"
"""Why a stack is told to be stopped that nobody stopped."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What the ledger is told of one model's change, once it is true."""

    action: Action
    model: str
    version: str
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Recorder:
    """Of one command that changes what runs.

    Args:
        project: whose stack is changed.
        deployed: what is to run, one per model of the project.
        intents: what is to be written down of it; at most one that makes a version answer for each model.
        remembered: the state before.
        held: for each model the version that its files made when its champion was chosen by hand; see `State.held`.
        report: told what cannot be marked.
    """

    def __init__(
        self,
        project: Project,
        deployed: Sequence[Deployed],
        intents: Sequence[Intent],
        remembered: State,
        *,
        held: Mapping[str, str],
        report: Report,
    ) -> None:
        self._project = project
        self._packages = {(package.model, package.version): package for each in deployed for package in each.packages}
        self._deployed = deployed
        self._intents = list(intents)
        self._before = dict(remembered.served)
        self._held = held
        self._report = report
        self._ledger = Ledger(project.state_dir)
        self._began = time.time()
        self.entries: list[Entry] = []

    def switched(self, moves: Sequence[Switched], state: State) -> State:
        """Write down moves that were made, at once: whatever happens next, they are true.

        Returns:
            The state that remembers them; saved.

        Raises:
            LedgerUnwritable: they cannot be written down; the state remembers them all the same, if it can be saved.
        """
        models = list(self._project.models)
        fronts = {suffixed(Port.API, models, model): model for model in models}
        answering = {each.model: each for each in self._intents if each.action in ANSWERING}
        of_move = [(move, answering[fronts[move.front]]) for move in moves if fronts[move.front] in answering]
        made = [intent for _, intent in of_move]
        self._intents = [each for each in self._intents if each not in made]
        if not moves:
            return state
        with _written_of(made):
            try:
                for move, intent in of_move:
                    self._append(intent, began=move.began, ended=move.ended)
            finally:
                saved = self._save(state, {**state.served, **{intent.model: intent.version for intent in made}})
        return saved

    def finished(self, state: State, *, proven: str | None, ports: Mapping[str, int]) -> State:
        """Write down the rest, now that all of it is true, and mark on the dashboards what answers.

        Args:
            state: as it was saved last.
            proven: the stack's id.
            ports: of the stack.
        """
        served = {each.model: each.champion.version for each in self._deployed}
        left = [each for model, each in where(self._ledger.read()).items() if model not in self._project.models]
        self.entries += self._ledger.append([_stop(each, "the project has no such model any more") for each in left])
        for intent in self._intents:
            self._append(intent, began=self._began, ended=time.time())
        self._intents = []
        state = self._save(replace(state, proven=proven), served)
        self._mark(ports)
        return state

    def _append(self, intent: Intent, *, began: float, ended: float) -> None:
        answering = intent.action in ANSWERING
        draft = Draft(
            action=intent.action,
            model=intent.model,
            version=intent.version,
            digest=self._digest(intent.model, intent.version),
            time=stamp(ended, up=True),
            began=stamp(began) if answering else "",
            endpoint=suffixed(Port.API, list(self._project.models), intent.model),
            previous=self._before.get(intent.model, "") if answering else "",
            reason=intent.reason,
            facts=intent.facts,
        )
        self.entries += self._ledger.append([draft])

    def _digest(self, model: str, version: str) -> str:
        """Also of a version that does not run any more."""
        packages = (self._packages.get((model, version)), *list_packages(self._project.root, model))
        return next((each.digest for each in packages if each is not None and each.version == version), "")

    def _save(self, state: State, served: Mapping[str, str]) -> State:
        saved = with_deployed(replace(state, served=served, held=self._held), self._deployed)
        save_state(self._project.state_dir, saved)
        return saved

    def _mark(self, ports: Mapping[str, int]) -> None:
        """Show on the dashboards, when the stack has them, that other versions answer now."""
        changed = [each for each in self.entries if each.action in ANSWERING]
        if not changed or Port.GRAFANA not in ports:
            return
        password = self._project.state_dir / "secrets" / PASSWORD.name
        text = ", ".join(f"{each.model} {each.version} answers ({each.action}, {each.digest})" for each in changed)
        problem = annotate(ports[Port.GRAFANA], password, text, [tag for each in changed for tag in (each.model, each.version)])
        if problem:
            self._report.note(f"the change is not marked on the dashboards: {problem}")


@contextmanager
def _written_of(made: Sequence[Intent]) -> Iterator[None]:
    """What cannot be written down is told as what it is: made all the same, and written down by the next command that changes the stack."""
    try:
        yield
    except (LedgerUnwritable, OSError) as error:
        if not made:
            raise
        answers = ", ".join(f"{each.model} {each.version}" for each in made)
        again = "up" if made[0].action is Action.DEPLOYED else f"promote {made[0].version} --model {made[0].model}"
        raise LedgerUnwritable(
            f"{answers} answers now, and that could not be written down",
            why=error.why if isinstance(error, LedgerUnwritable) else str(error),
            fix=f"make room, or what is named there writable (sandbox doctor); then have it written down: sandbox {again}",
            details={"answers": {each.model: each.version for each in made}},
        ) from error


def record_packages(project: Project, packages: Sequence[Package], reason: str, report: Report) -> None:
    """Write down where versions came from that the ledger does not know.

    Raises:
        LedgerUnwritable: nothing that depends on it may be begun.
    """
    ledger = Ledger(project.state_dir, report.note)
    known = {(each.model, each.version, each.digest) for each in ledger.read() if each.action is Action.PACKAGED}
    drafts = [
        Draft(Action.PACKAGED, package.model, package.version, package.digest, reason=reason, facts=facts_of(package.manifest))
        for package in packages
        if (package.model, package.version, package.digest) not in known
    ]
    ledger.append(drafts)  # also without any: what cannot be recorded is not begun


def record_stops(
    sandbox: Path, observed: Observed, remembered: State, stopped: Collection[str] | None, *, reason: str, report: Report
) -> None:
    """Write down which models nobody answers for any more; a ledger that takes nothing keeps no stack running.

    Args:
        sandbox: the project's `.sandbox`.
        observed: the stack as it was.
        remembered: what is known of it.
        stopped: names of the services that were stopped; None: all, and what had vanished before.
        reason: why.
        report: told when it cannot be written down.
    """
    fronts = {suffixed(Port.API, remembered.models, model): model for model in remembered.models}
    silent = {fronts[front.name] for front in observed.fronts if front.name in fronts and front.service in (stopped or ())}
    try:
        ledger = Ledger(sandbox, report.note)
        open_ones = where(ledger.read())
        ledger.append([_stop(each, reason) for model, each in open_ones.items() if stopped is None or model in silent])
    except (LedgerBroken, LedgerUnwritable, OSError) as error:
        report.warn(f"that it was stopped is not in the ledger: {error}")


def _stop(interval: Interval, reason: str) -> Draft:
    entry = interval.entry
    return Draft(Action.STOPPED, entry.model, entry.version, entry.digest, reason=reason, endpoint=entry.endpoint)
