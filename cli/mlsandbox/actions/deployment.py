"""Which versions of each model run, and what each of them does (pure, but for one reader of packages)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlsandbox.errors import VersionUnknown
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.stack.components.base import Role, Share
from mlsandbox.state import State

_ROLE: Final = "role"
_PERCENT: Final = "percent"
_SHADOW: Final = "shadow"


@dataclass(frozen=True, slots=True)
class Beside:
    """A version that runs beside the champion."""

    package: Package
    role: Role
    share: Share | None = None
    """Of a challenger."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The versions of one model that run."""

    champion: Package
    beside: tuple[Beside, ...] = ()

    @property
    def model(self) -> str:
        return self.champion.model

    @property
    def packages(self) -> tuple[Package, ...]:
        """All of them, the champion first."""
        return (self.champion, *(each.package for each in self.beside))

    @property
    def challenger(self) -> Beside | None:
        """The version that is tried beside the champion."""
        return next((each for each in self.beside if each.role is Role.CHALLENGER), None)


def deployed_of(root: Path, champion: Package, remembered: State) -> Deployed:
    """The champion with what is to run beside it; a version whose package is gone is left out, as is the champion itself.

    Args:
        root: the project's folder.
        champion: who is to answer.
        remembered: what ran beside it before.
    """
    wanted = remembered.beside.get(champion.model, {})
    there = {package.version: package for package in list_packages(root, champion.model)} if wanted else {}
    return Deployed(
        champion,
        tuple(
            Beside(there[version], Role(facts[_ROLE]), _share(facts))
            for version, facts in wanted.items()
            if version in there and version != champion.version
        ),
    )


def with_deployed(state: State, deployed: Sequence[Deployed]) -> State:
    """The state that remembers these; champions are remembered once they have answered."""
    return replace(state, beside={each.model: _document(each.beside) for each in deployed if each.beside})


def find_version(root: Path, model: str, version: str) -> Package:
    """The package of a version.

    Raises:
        VersionUnknown: there is none.
    """
    packages = list_packages(root, model)
    found = next((each for each in packages if each.version == version), None)
    if found is None:
        known = ", ".join(each.version for each in packages)
        raise VersionUnknown(
            f"there is no {version} of {model}",
            why=f"Versions: {known}." if known else "It was never packaged.",
            fix="see them: sandbox versions" if known else "package it: sandbox up",
            details={"model": model, "version": version, "versions": [each.version for each in packages]},
        )
    return found


def _share(facts: Mapping[str, Any]) -> Share | None:
    return Share(float(facts[_PERCENT]), bool(facts[_SHADOW])) if _PERCENT in facts else None


def _document(beside: Sequence[Beside]) -> dict[str, dict[str, object]]:
    return {
        each.package.version: {_ROLE: each.role.value}
        | ({_PERCENT: each.share.percent, _SHADOW: each.share.shadow} if each.share is not None else {})
        for each in beside
    }
