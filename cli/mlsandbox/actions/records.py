"""What a project knows of its versions, whether or not anything runs: packages, ledger, state. Needs no valid sandbox.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.engines.remembered import remembered_state
from mlsandbox.errors import UsageError
from mlsandbox.ledger import Action, Entry, Ledger, Verified, challengers, where
from mlsandbox.ledger.history import models as models_of
from mlsandbox.packaging.package import Package, list_packages, store_path
from mlsandbox.stack.components.base import Role
from mlsandbox.state import State


@dataclass(frozen=True, slots=True)
class Doing:
    """What a version does."""

    role: Role
    percent: float | None = None
    """Of a challenger: its share of the requests."""
    shadow: bool = False
    """Of a challenger: whether it sees copies of all of them."""


@dataclass(frozen=True, slots=True)
class Records:
    """One reading of all of it."""

    root: Path
    ledger: Verified
    state: State

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.ledger.entries

    @property
    def models(self) -> tuple[str, ...]:
        """Those that ever were packaged here, in the order in which the stack has them."""
        folder = store_path(self.root) / "bentos"
        packaged = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else ()
        return tuple(dict.fromkeys((*self.state.served, *models_of(self.entries), *packaged)))

    def chosen(self, model: str | None) -> tuple[str, ...]:
        """The named model, or all of them.

        Raises:
            UsageError: there is none of that name.
        """
        models = self.models
        if model is not None and model not in models:
            known = f"Models: {', '.join(models)}." if models else "None was packaged yet."
            raise UsageError(f"there is no model {model} in this project", why=known, fix="see their names: sandbox versions")
        return models if model is None else (model,)

    def packages(self, model: str) -> Sequence[Package]:
        """Its packages, the newest first."""
        return list_packages(self.root, model)

    def packaged(self, model: str, version: str, digest: str | None = None) -> Entry | None:
        """The entry that says where a version came from, the latest one of that name; None: the ledger was begun later."""
        found = (each for each in reversed(self.entries) if (each.action, each.model, each.version) == (Action.PACKAGED, model, version))
        return next((each for each in found if digest is None or each.digest == digest), None)

    def doing(self, model: str, version: str) -> Doing | None:
        """What a version does, or would do if the stack ran; None: nothing."""
        if self.state.served.get(model) == version:
            return Doing(Role.CHAMPION)
        facts: Mapping[str, Any] | None = self.state.beside.get(model, {}).get(version)
        return None if facts is None else Doing(Role(facts["role"]), facts.get("percent"), bool(facts.get("shadow", False)))

    def since(self, model: str, version: str) -> str:
        """Since when a version answers, or is tried; empty when it does neither, or the ledger does not say."""
        champion = where(self.entries).get(model)
        tried = challengers(self.entries, model)[-1:]
        current = [each for each in (champion, *tried) if each is not None and each.until is None and each.version == version]
        return current[0].entry.time if current else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of everything that is told from the ledger."""
        found = []
        if self.ledger.problems:
            first, more = self.ledger.problems[0], len(self.ledger.problems) - 1
            others = f", and {more} more" if more else ""
            changed = f"{told(first.line, first.what)}{others}"
            found.append(f"the ledger was changed by something else than sandbox: {changed}; all of it: sandbox ledger verify")
        if self.ledger.later:
            found.append(f"{self.ledger.later} entries of the ledger are of a later version of mlsandbox, and left out")
        return tuple(found)


def records(root: Path) -> Records:
    """Read them; changes nothing.

    Raises:
        StateTooNew: a later version of the tool wrote the state.
        LedgerBroken, FolderLinked: the ledger cannot be read at all.
    """
    return Records(root, Ledger(root / ".sandbox").check(), remembered_state(root))


def told(line: int, what: str) -> str:
    """A problem of the ledger as a sentence: "line 3 was changed …"; of the file as a whole without a line."""
    return f"line {line} {what}" if line else what
