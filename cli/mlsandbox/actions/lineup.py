"""Which version of a model does what after a change, and what of that is a step (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlsandbox.actions.deployment import Beside, Deployed
from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.errors import UsageError, VersionInUse, VersionUnknown
from mlsandbox.packaging.package import Package
from mlsandbox.stack.components.base import Role, Share


def chosen_model(models: Sequence[str], name: str | None) -> str:
    """The model that is meant: the named one, else the only one.

    Raises:
        UsageError: there is none of that name, or there are several and none is named.
    """
    if name is None and len(models) == 1:
        return models[0]
    if name in models:
        return str(name)
    known = ", ".join(models)
    if name is None:
        raise UsageError(
            f"the project has several models: {known}", fix=f"say which: --model {models[0]}   all that they are: sandbox status"
        )
    raise UsageError(f"there is no model {name} in this project", why=f"Models: {known}.", fix="see their names: sandbox config")


def with_champion(now: Deployed, package: Package, *, warm: bool) -> Deployed:
    """A version becomes the champion; the former one stays as standby when `warm`, in place of standbys of before."""
    former = (Beside(now.champion, Role.STANDBY),) if warm else ()
    others = tuple(each for each in now.beside if each.role is Role.CHALLENGER and each.package.version != package.version)
    return Deployed(package, (*former, *others))


def with_beside(now: Deployed, package: Package, role: Role, share: Share | None = None) -> Deployed:
    """A version runs beside the champion in this role, whatever it did before."""
    others = tuple(each for each in now.beside if each.package.version != package.version)
    return replace(now, beside=(*others, Beside(package, role, share)))


def without(now: Deployed, version: str) -> Deployed:
    """A version does not run beside the champion any more."""
    return replace(now, beside=tuple(each for each in now.beside if each.package.version != version))


def replaced(lineups: Sequence[Deployed], changed: Deployed) -> tuple[Deployed, ...]:
    """All models' versions, those of one of them changed."""
    return tuple(changed if each.model == changed.model else each for each in lineups)


def beside_of(now: Deployed, version: str) -> Beside | None:
    """A version as it runs beside the champion."""
    return next((each for each in now.beside if each.package.version == version), None)


def check_challenger(now: Deployed, version: str) -> None:
    """Refuse a version that cannot be tried beside the champion.

    Raises:
        VersionInUse: it is the champion, or another one is tried already.
    """
    if now.champion.version == version:
        raise VersionInUse(
            f"{now.model} {version} is the champion: it cannot be tried beside itself",
            fix="name another version: sandbox versions   or make one: change the model, then sandbox deploy --as challenger",
            details={"model": now.model, "version": version, "role": Role.CHAMPION.value},
        )
    other = now.challenger
    if other is not None and other.package.version != version:
        tried = other.package.version
        raise VersionInUse(
            f"{now.model} {tried} is tried already: there is one challenger at a time",
            fix=f"stop that one first: sandbox retire {tried}   or let it answer: sandbox promote {tried}",
            details={"model": now.model, "version": tried, "role": Role.CHALLENGER.value},
        )


def check_retired(now: Deployed, version: str) -> Beside:
    """The version as it runs beside the champion.

    Raises:
        VersionInUse: it is the champion.
        VersionUnknown: it does not run.
    """
    if now.champion.version == version:
        raise VersionInUse(
            f"{now.model} {version} is the champion: nobody would answer",
            fix="let another version answer first: sandbox rollback   or stop the stack: sandbox down",
            details={"model": now.model, "version": version, "role": Role.CHAMPION.value},
        )
    found = beside_of(now, version)
    if found is None:
        beside = ", ".join(f"{each.package.version} ({each.role})" for each in now.beside)
        raise VersionUnknown(
            f"{now.model} {version} does not run",
            why=f"Beside {now.champion.version}: {beside or 'nothing'}.",
            fix="see which versions run: sandbox status",
            details={"model": now.model, "version": version},
        )
    return found


def lineup_steps(before: Deployed, after: Deployed) -> tuple[PlannedStep, ...]:
    """What is done to each version of a model: started, switched to, changed, stopped or kept."""
    running = {package.version for package in before.packages}
    steps = []
    if after.champion.version != before.champion.version:
        if after.champion.version not in running:
            steps.append(
                PlannedStep("start", after.champion.version, "it does not run yet; golden rows and a prediction are checked first")
            )
        steps.append(PlannedStep("switch", after.champion.version, f"{before.champion.version} answers until then"))
    else:
        steps.append(PlannedStep("keep", after.champion.version, "it answers"))
    for each in after.beside:
        version, was = each.package.version, beside_of(before, each.package.version)
        if version not in running:
            steps.append(PlannedStep("start", version, f"as {role_text(each)}"))
        elif was == each:
            steps.append(PlannedStep("keep", version, f"it stays {role_text(each)}"))
        else:
            steps.append(PlannedStep("keep", version, f"it becomes {role_text(each)}; it is not started anew"))
    left = {package.version for package in after.packages}
    steps += [
        PlannedStep("stop", package.version, "it is not needed any more") for package in before.packages if package.version not in left
    ]
    return tuple(steps)


def role_text(each: Beside) -> str:
    """What a version does beside the champion, in words."""
    return f"challenger: {share_text(each.share)}" if each.role is Role.CHALLENGER else "standby: it runs, and answers nobody"


def share_text(share: Share | None) -> str:
    """What a challenger gets, in words."""
    if share is None or share.shadow:
        return "it sees a copy of every request, and its answers go nowhere"
    return f"it answers {share.percent:g}% of the requests"
