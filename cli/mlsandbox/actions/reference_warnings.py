"""What is wrong with the reference that a user gave on purpose: told by `up`, `status` and `drift` until it is mended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlsandbox.actions.project_stack import baseline_of
from mlsandbox.actions.sight import Sight
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.project import FILE_NAME, Project
from mlsandbox.stack.components.drift import NAME as DRIFT
from mlsandbox_serving.contract import DriftEngine, ProfileFile


def reference_warnings(project: Project, packages: Sequence[Package]) -> tuple[str, ...]:
    """A sentence for each reference that cannot be compared with, or has too few rows to compare all with."""
    return tuple(each for package in packages for each in (*_problems(project, package), *_few(project, package)))


def reference_problems(project: Project, sight: Sight) -> tuple[str, ...]:
    """A sentence for each reference that the running stack cannot compare with; none when it does not watch for drift."""
    if sight.observed.service(DRIFT) is None:
        return ()
    served = sight.remembered.served
    packages = (each for name in project.models for each in list_packages(project.root, name) if each.version == served.get(name))
    return tuple(each for package in packages for each in _problems(project, package))


def unused_baseline(project: Project, package: Package) -> str:
    """Why the baseline that a project keeps is not used; empty when it has none, or it is used."""
    baseline = baseline_of(project, package.model)
    unfit = "" if baseline is None else baseline.unfit(package)
    if not unfit:
        return ""
    return f"the baseline of {package.model} is not used: {unfit}; make one of now: sandbox drift baseline set {package.model} --from-logs"


def _problems(project: Project, package: Package) -> Iterator[str]:
    unused = unused_baseline(project, package)
    if unused:
        yield unused
    elif baseline_of(project, package.model) is not None:
        return
    problem = (package.manifest.get("profile") or {}).get("problem")
    if problem:
        yield (
            f"the reference of {package.model} cannot be compared with, so the first live rows become it: {problem}; "
            f"mend it, or name another one in {FILE_NAME}, then: sandbox up"
        )


def _few(project: Project, package: Package) -> Iterator[str]:
    baseline = baseline_of(project, package.model)
    used = baseline.profile if baseline is not None and not baseline.unfit(package) else package.manifest.get("profile") or {}
    rows = used.get("rows")
    if rows is None or rows >= ProfileFile.WINDOW_ROWS:
        return
    told = (
        [f"only missing, unseen and out-of-range values are told below {ProfileFile.FEWEST_ROWS}"] if rows < ProfileFile.FEWEST_ROWS else []
    )
    if DriftEngine.ALIBI in project.drift.engines:
        told.append(f"{DriftEngine.ALIBI} learns from live rows, as it needs {ProfileFile.WINDOW_ROWS:,}")
    if told:
        yield f"{package.model} has a reference of {rows:,} rows: {', and '.join(told)}; {ProfileFile.GOOD_ROWS:,} are better"
