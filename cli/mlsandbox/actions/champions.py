"""Which versions `up` makes run: those that the project's files make, unless somebody chose another since (pure, but for one reader)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlsandbox.actions.deployment import Beside, Deployed, deployed_of
from mlsandbox.actions.recording import Intent
from mlsandbox.ledger import Action, Entry, Interval, intervals
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.stack.components.base import Role
from mlsandbox.state import State


@dataclass(frozen=True, slots=True)
class Chosen:
    """What `up` is to make of a project."""

    deployed: tuple[Deployed, ...]
    intents: tuple[Intent, ...]
    """What the ledger is told when it is so."""
    held: dict[str, str]
    notes: tuple[str, ...] = ()


def last_champions(entries: Sequence[Entry]) -> dict[str, Interval]:
    """For each model that the ledger knows the last champion, whether it still answers or not."""
    found = {model: intervals(entries, model) for model in dict.fromkeys(entry.model for entry in entries)}
    return {model: those[-1] for model, those in found.items() if those}


def choose(
    root: Path,
    made: Sequence[Package],
    remembered: State,
    last: Mapping[str, Interval],
    *,
    runs: bool,
    warm: bool,
    reason: str,
) -> Chosen:
    """The versions that are to run.

    Args:
        root: the project's folder.
        made: of each model the version that its files make now.
        remembered: what ran last, and what was chosen by hand.
        last: for each model the last champion that the ledger has.
        runs: whether it runs now.
        warm: a champion that is replaced goes on beside its successor.
        reason: why, for the ledger.
    """
    deployed: list[Deployed] = []
    intents: list[Intent] = []
    held: dict[str, str] = {}
    notes: list[str] = []
    for package in made:
        former = remembered.served.get(package.model)
        chosen = _kept(root, package, former, remembered)
        if chosen is not None:
            held[package.model] = package.version
            notes.append(
                f"{chosen.model} {chosen.version} goes on: the project's files make {package.version}, and {chosen.version} was chosen "
                f"since; to serve the other: sandbox promote {package.version}"
            )
        champion = chosen or package
        deployed.append(_beside(root, champion, former, remembered, runs=runs, warm=warm))
        known = last.get(champion.model)
        if known is None or known.version != champion.version:
            intents.append(Intent(Action.DEPLOYED, champion.model, champion.version, reason))
        elif known.until is not None:
            intents.append(Intent(Action.STARTED, champion.model, champion.version, reason))
    return Chosen(tuple(deployed), tuple(intents), held, tuple(notes))


def _kept(root: Path, made: Package, former: str | None, remembered: State) -> Package | None:
    """The champion that was chosen by hand, as long as the files are what they were then."""
    if former in {None, made.version} or remembered.held.get(made.model) != made.version:
        return None
    return next((each for each in list_packages(root, made.model) if each.version == former), None)


def _beside(root: Path, champion: Package, former: str | None, remembered: State, *, runs: bool, warm: bool) -> Deployed:
    """A challenger stays one; who was kept warm for a champion that is replaced goes, and when nothing runs nobody is warm."""
    known = deployed_of(root, champion, remembered)
    stays = {Role.CHALLENGER, *((Role.STANDBY,) if runs and champion.version == former else ())}
    beside = [each for each in known.beside if each.role in stays]
    if runs and warm and champion.version != former:
        there = next((each for each in list_packages(root, champion.model) if each.version == former), None)
        beside = [each for each in beside if there is None or each.package.version != there.version]
        beside += [Beside(there, Role.STANDBY)] if there is not None else []
    return replace(known, beside=tuple(beside))
