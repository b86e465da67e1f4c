"""Whether live data still looks like the reference: what the stack's drift service says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlsandbox.actions.reference_warnings import reference_problems
from mlsandbox.actions.sight import Sight
from mlsandbox.atomic import write_atomic
from mlsandbox.drift_status import DriftReport, ModelDrift, as_served, drift_page, drift_report, page_address
from mlsandbox.errors import NothingCompared, NotRunning, UsageError
from mlsandbox.project import Project
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Port


@dataclass(frozen=True, slots=True)
class DriftResult:
    """What is known of the models that were asked for."""

    project: str
    checked: datetime
    models: tuple[ModelDrift, ...]
    document: Mapping[str, Any]
    """All that the service said of them, for scripts."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Engines that were asked for and do not work, and why."""
    problems: tuple[str, ...] = ()
    """Why references that were given are not compared with."""
    unseen: tuple[str, ...] = ()
    """Versions that are served, and of which no row has come."""
    former: int = 0
    """Versions that are not served any more, and not shown."""

    @property
    def drifted(self) -> tuple[ModelDrift, ...]:
        """Versions that are served and page."""
        return tuple(each for each in self.models if each.current and each.pages)

    @property
    def is_open(self) -> bool:
        """Nothing was compared yet of anything that is served."""
        return not self.models or len(self.waiting) == sum(each.current for each in self.models)

    @property
    def waiting(self) -> tuple[ModelDrift, ...]:
        """Versions that are served, and of which nothing was compared yet."""
        return tuple(each for each in self.models if each.current and (not each.rows or each.rows_to_learn))

    def refuse_unless_compared(self) -> None:
        """A check that is to fail on drift must not pass on nothing.

        Raises:
            NothingCompared: there is no drift, and of something that is served nothing was compared yet.
        """
        if self.drifted or not (self.is_open or self.waiting or self.unseen):
            return
        why = [
            *(f"{each.model} {each.version}: {each.sentence}" for each in self.waiting),
            *(f"{each}: no row has come" for each in self.unseen),
        ]
        raise NothingCompared(
            "nothing was compared with a reference yet",
            why="\n".join(why) or "No row of what is served has come.",
            fix="send rows, then check again: sandbox predict --data FILE",
            details={"models": [{"model": each.model, "version": each.version, "state": each.state} for each in self.waiting]},
        )


@dataclass(frozen=True, slots=True)
class DriftPage:
    """The report as a page."""

    url: str
    file: Path | None
    """Where it was, or with `dry_run` would be, written; None when it was not asked for."""
    dry_run: bool = False


def drift(project: Project, sight: Sight, model: str | None = None, *, every: bool = False) -> DriftResult:
    """What the drift service says.

    Args:
        project: whose stack is meant.
        sight: of its stack.
        model: a name; None: all.
        every: also versions that are not served any more.

    Raises:
        NotRunning: the stack, or its drift service, does not run.
        UsageError: there is no such model.
    """
    report = as_served(drift_report(drift_port(sight)), sight.served)
    result = _chosen(project.name, report, model, every=every)
    seen = {(each.model, each.version) for each in report.models}
    unseen = [each for each in sight.served.items() if each not in seen and model in {None, each[0]}]
    result = replace(result, unseen=tuple(" ".join(each) for each in unseen))
    problems = reference_problems(project, sight)
    return replace(result, problems=problems, document={**result.document, "problems": list(problems)})


def write_page(sight: Sight, file: Path | None, *, dry_run: bool) -> DriftPage:
    """The report as a page.

    Args:
        sight: of the stack.
        file: where to write it; None: nowhere.
        dry_run: write nothing.

    Raises:
        NotRunning: the stack, or its drift service, does not run.
        UsageError: there can be no such file.
    """
    port = drift_port(sight)
    if file is not None:
        if file.is_dir() or not file.absolute().parent.is_dir():
            why = "It is a folder." if file.is_dir() else f"There is no folder {file.absolute().parent}."
            raise UsageError(f"{file} cannot be written", why=why, fix="name a file: sandbox drift report --html drift.html")
        page = drift_page(port)
        if not dry_run:
            write_atomic(file.absolute(), page, durable=False)
    return DriftPage(page_address(port), None if file is None else file.absolute(), dry_run)


def drift_port(sight: Sight) -> int:
    """Where the drift service of a stack answers on this machine.

    Raises:
        NotRunning: it does not; says why.
    """
    if not sight.observed.running:
        raise NotRunning("the stack is not running", fix="start it: sandbox up")
    name = Port.DRIFT.value  # the service is called like its port
    service = sight.observed.service(name)
    if service is None:
        raise NotRunning(
            "this stack does not watch for drift",
            why=f"The service {name} was left out when the stack was started.",
            fix=f'take "{name}" out of [stack] exclude in sandbox.toml, SANDBOX_EXCLUDE and --exclude, then: sandbox up',
        )
    port = {**sight.remembered.ports, **sight.observed.ports}.get(name)
    if service.state is State.STOPPED or port is None:
        raise NotRunning(f"the service {name} is {service.state.value}", why=service.reason, fix="start it: sandbox up")
    return port


def _chosen(project: str, report: DriftReport, model: str | None, *, every: bool) -> DriftResult:
    shown = tuple(each for each in report.models if every or each.current)
    entries = [each for each in report.document["models"] if every or each["current"]]
    document = {"project": project, "drift": False, "former": len(report.models) - len(shown), **report.document, "models": entries}
    result = DriftResult(project, report.time, shown, document, report.silent, former=len(report.models) - len(shown))
    if model is not None:
        names = sorted({each.model for each in report.models})
        if model not in names:
            raise UsageError(
                f"the drift service knows no model {model}",
                why=f"It watches {', '.join(names)}." if names else "It has not seen any row yet.",
                fix="see all that it knows: sandbox drift",
            )
        entries = [each for each in entries if each["model"] == model]
        chosen = tuple(each for each in shown if each.model == model)
        former = sum(each.model == model for each in report.models) - len(chosen)
        result = replace(result, models=chosen, former=former, document={**document, "former": former, "models": entries})
    return replace(result, document={**result.document, "drift": bool(result.drifted)})
