"""`sandbox prune`: packages that nothing needs any more are removed, with their images and the folders of their metrics."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from mlsandbox import docker_host
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.holding import version_of_files
from mlsandbox.actions.keeping import Needs, reasons_to_stay
from mlsandbox.actions.lineup import chosen_model
from mlsandbox.actions.outcomes import Report
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Engine, Keeping, Kept
from mlsandbox.engines.remembered import remembered_state
from mlsandbox.errors import EngineUnavailable
from mlsandbox.ledger import Action, Draft, Entry, Ledger, answered_since, previous_champion
from mlsandbox.packaging.image_recipes import model_image
from mlsandbox.packaging.package import Package, list_packages, stored_models
from mlsandbox.packaging.removal import Removable, interrupted, no_packaging, removable, settle, taken_out
from mlsandbox.project import Project
from mlsandbox.project_lock import project_lock
from mlsandbox.setting_kinds import format_duration
from mlsandbox.stack.components.base import Role
from mlsandbox.stack.components.model import metrics_folder
from mlsandbox.state import State
from mlsandbox.volumes import data_size, remove_data

_COMMAND: Final = "sandbox prune"


@dataclass(frozen=True, slots=True)
class StayingVersion:
    """A version whose package stays."""

    model: str
    version: str
    why: tuple[str, ...]
    """Each reason by itself is enough."""
    size_bytes: int
    """Of its bento; the model's files may be shared with other versions."""


@dataclass(frozen=True, slots=True)
class GoingVersion:
    """A version that goes, or went, with all that is only of it."""

    model: str
    version: str
    digest: str
    size_bytes: int
    """Of its package, with model files that no other package needs."""
    outside: tuple[Kept, ...] = ()
    """Its images, and the volume of its metrics, of a container engine."""


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What `prune` removed (or, with `dry_run`, would remove), and what stays."""

    project: str
    removed: tuple[GoingVersion, ...]
    kept: tuple[StayingVersion, ...]
    in_use: tuple[Kept, ...] = ()
    """Images and volumes that something else uses, and that were left."""
    elapsed: float = 0.0
    """Seconds."""
    dry_run: bool = False

    @property
    def identities(self) -> frozenset[tuple[str, str]]:
        """Model and version of all that go."""
        return frozenset((each.model, each.version) for each in self.removed)


def planned_prune(project: Project, model: str | None, *, keep: int) -> PruneResult:
    """What `prune` would remove; changes nothing.

    Args:
        project: its settings.
        model: only of this one; None: of all.
        keep: how many of the newest versions of each model stay whatever they did.

    Raises:
        EngineUnavailable: the stack's engine does not answer, which has the images.
    """
    plan = _plan(project, model, keep)
    return PruneResult(project.name, tuple(each.told for each in plan.going), plan.staying, dry_run=True)


def settle_interrupted(project: Project, report: Report) -> None:
    """End what a killed `prune` began: what the ledger has as removed is deleted, anything else is put back.

    Args:
        project: its settings.
        report: told what is back.

    Raises:
        ProjectBusy: another command is at work on the project.
        LedgerBroken: it cannot be read.
    """
    if not interrupted(project.root):
        return
    with project_lock(project.state_dir, _COMMAND, waiting=lambda who: report.note(f"waiting for {who}")), no_packaging(project.root):
        entries = Ledger(project.state_dir, report.note).read()
        removed = {(each.model, each.version, each.digest) for each in entries if each.action is Action.REMOVED}
        for aside in interrupted(project.root):
            back = settle(project.root, aside, lambda each: (each.model, each.version, each.digest) in removed)
            if back is not None:
                report.warn(f"{back.model} {back.version} is back: its removal was interrupted")


def prune(
    project: Project, model: str | None, report: Report, *, keep: int, agreed: Collection[tuple[str, str]], reason: str = ""
) -> PruneResult:
    """Remove what nothing needs any more.

    Args:
        project: its settings.
        model: only of this one; None: of all.
        report: told what happens.
        keep: how many of the newest versions of each model stay whatever they did.
        agreed: model and version of what may go: what came to be unneeded since it was shown stays.
        reason: for the ledger.

    Raises:
        ProjectBusy: another command is at work on the project.
        EngineUnavailable: the stack's engine does not answer; nothing was removed.
        LedgerUnwritable: it cannot be recorded; what was not recorded was not removed.
    """
    began = time.monotonic()
    with project_lock(project.state_dir, _COMMAND, waiting=lambda who: report.note(f"waiting for {who}")), no_packaging(project.root):
        ledger = Ledger(project.state_dir, report.note)
        ledger.ensure_writable()
        plan = _plan(project, model, keep)
        gone, left = [], []
        for each in plan.going:
            if (each.told.model, each.told.version) not in agreed:
                continue
            report.step(f"Removing {each.told.model} {each.told.version}")
            stayed = _remove_outside(each)
            _remove_package(project, each, ledger, reason)
            gone.append(replace(each.told, outside=tuple(kept for kept in each.told.outside if kept not in stayed)))
            left += stayed
    if left:
        report.warn(f"in use elsewhere, and kept: {', '.join(f'{each.kind} {each.name}' for each in left)}")
    return PruneResult(project.name, tuple(gone), plan.staying, tuple(left), time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Going:
    removable: Removable
    told: GoingVersion
    engines: tuple[tuple[Engine, tuple[Kept, ...]], ...]
    """What each engine has of it."""


@dataclass(frozen=True, slots=True)
class _Plan:
    going: tuple[_Going, ...]
    staying: tuple[StayingVersion, ...]


def _plan(project: Project, model: str | None, keep: int) -> _Plan:
    known = list(dict.fromkeys((*project.models, *stored_models(project.root))))  # also those that left sandbox.toml
    models = known if model is None else [chosen_model(known, model)]
    entries, remembered = Ledger(project.state_dir).read(), remembered_state(project.root)
    going: list[Package] = []
    staying: list[StayingVersion] = []
    for name in models:
        packages = list_packages(project.root, name)
        reasons = reasons_to_stay([each.version for each in packages], _needs(project, name, entries, remembered), keep=keep)
        sizes = {each.package.version: each.size_bytes for each in removable(project.root, packages)}
        staying += [StayingVersion(name, version, why, sizes[version]) for version, why in reasons.items() if why]
        going += [each for each in packages if not reasons[each.version]]
    kept = list(_kept(project, remembered)) if going else []
    found = []
    for each in removable(project.root, going):
        of_it = tuple((engine, tuple(item for item in items if _is_of(item, each.package, project))) for engine, items in kept)
        size = each.size_bytes + data_size(project.state_dir, metrics_folder(each.package.model, each.package.version))
        outside = tuple(item for _, items in of_it for item in items)
        told = GoingVersion(each.package.model, each.package.version, each.package.digest, size, outside)
        found.append(_Going(each, told, of_it))
    return _Plan(tuple(found), tuple(staying))


def _needs(project: Project, model: str, entries: Sequence[Entry], remembered: State) -> Needs:
    retention = project.log.retention
    back = previous_champion(entries, model)
    roles = {version: Role(facts["role"]) for version, facts in remembered.beside.get(model, {}).items()}
    if model in remembered.served:
        roles[remembered.served[model]] = Role.CHAMPION
    is_there = model in project.models
    return Needs(
        roles=roles,
        back_to=back.version if back is not None and is_there else None,
        made_now=version_of_files(project, model) if is_there else None,
        answered=answered_since(entries, model, datetime.now(UTC) - timedelta(seconds=retention)),
        retention=f"the last {format_duration(retention)}",
    )


def _kept(project: Project, remembered: State) -> Iterator[tuple[Engine, tuple[Kept, ...]]]:
    """What each engine has of the project outside of its folder; one that does not answer has nothing, unless it is the stack's."""
    for name, make in ENGINES.items():
        engine = make(project.root)
        if name != remembered.engine and name == DOCKER and not docker_host.answers():
            continue
        try:
            yield engine, engine.kept()
        except EngineUnavailable as error:
            if name == remembered.engine:
                raise EngineUnavailable(
                    f"{error.what}, so nothing was removed",
                    why=f"It has the images of what would go. {error.why}",
                    fix="start it, then: sandbox prune",
                    details=error.details,
                ) from error


def _is_of(kept: Kept, package: Package, project: Project) -> bool:
    if kept.kind is Keeping.IMAGE:
        return kept.name == model_image(project.name, package.model, package.version)
    return kept.kind is Keeping.VOLUME and kept.name.endswith(f"_{metrics_folder(package.model, package.version)}")


def _remove_outside(going: _Going) -> list[Kept]:
    """What could not be removed of it."""
    left = []
    for engine, items in going.engines:
        removed = engine.remove_kept(items) if items else ()
        left += [each for each in items if each not in removed]
    return left


def _remove_package(project: Project, going: _Going, ledger: Ledger, reason: str) -> None:
    """Last of what is of the version, so that what is interrupted before is found again; recorded when it is out of the store."""
    package = going.removable.package
    remove_data(project.state_dir, metrics_folder(package.model, package.version))
    with taken_out(project.root, going.removable.folders):
        ledger.append([Draft(Action.REMOVED, package.model, package.version, package.digest, reason)])
