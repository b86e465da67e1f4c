"""What live rows are compared with: the reference of the package, or a baseline that the project keeps in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.logs import EventFilter, events
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.predict import served_package
from mlsandbox.actions.project_stack import baseline_of
from mlsandbox.actions.reference_change import hand_over
from mlsandbox.actions.reference_warnings import unused_baseline
from mlsandbox.actions.sight import Sight, look
from mlsandbox.errors import InputUnreadable, NotRunning, ReferenceUnusable, SandboxError, StackNotReady, UsageError
from mlsandbox.packaging.admission import admit
from mlsandbox.packaging.baseline import Baseline, Rows, baseline_folder, make_baseline
from mlsandbox.packaging.baseline_folder import has_left, kept_files, put_files
from mlsandbox.packaging.package import Package, list_packages, verify_package
from mlsandbox.packaging.profile import profile_lines
from mlsandbox.packaging.store import ensure_package_environment
from mlsandbox.project import Project
from mlsandbox.project_lock import project_lock
from mlsandbox_serving.contract import Dataset, Field, Origin, ProfileFile

MOST_EVENTS: Final = 20_000
"""Logged requests that a baseline is made of: the newest."""
_LOCK: Final = "sandbox drift baseline"
_UNMEANT: Final = {Origin.INJECTED: "injected", Origin.EXAMPLE: "example", Origin.SHADOW: "copied"}
_LOGGED: Final = f"{ProfileFile.ROWS} holds up to {ProfileFile.SAMPLE_ROWS:,} logged requests: commit it only where these may be read"


@dataclass(frozen=True, slots=True)
class ReferenceInUse:
    """What the live rows of one model are compared with."""

    model: str
    version: str
    kind: str
    """"baseline", "package", or "live": the first live rows become it."""
    source: str
    """Where its rows are from, or for "live" why there is none; in words."""
    profile: Mapping[str, Any]
    """What is in it; empty for "live"."""
    created: str = ""
    """Of a baseline, ISO 8601."""
    folder: str = ""
    """Of a baseline, relative to the project."""
    unused: str = ""
    """Why a baseline that is there is not used."""
    change: str = ""
    """"set" or "reset"; empty when it is only shown."""
    running: str = ""
    """What the running stack knows of a change."""
    attention: str = ""
    """What is to be thought of before a change is committed."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """What a baseline is to be made of: a file, or, without one, what was logged."""

    file: Path | None
    since: float | None = None
    """Epoch seconds; logged requests before that are left out."""


def references(project: Project, sight: Sight, model: str | None) -> tuple[ReferenceInUse, ...]:
    """What is compared with, of one model or of all.

    Raises:
        UsageError: there is no such model.
        NotRunning: a model was never packaged.
    """
    names = [_name(project, model)] if model is not None else list(project.models)
    return tuple(_in_use(project, _package(project, sight, name)) for name in names)


def set_baseline(project: Project, model: str | None, options: BaselineOptions, *, dry_run: bool, report: Report) -> ReferenceInUse:
    """Make a baseline, keep it, and give it to a running stack.

    No other command changes the project meanwhile, as with `up`: what is looked at first is what it is made with and given to.

    Args:
        project: that keeps it.
        model: its name; None: the first.
        options: what it is made of.
        dry_run: make it, and keep and give it to nobody.
        report: told what is done.

    Raises:
        UsageError: there is no such model.
        NotRunning: the model was never packaged, or the log cannot be asked as its stack does not run.
        InputUnreadable, EventLogUnreadable, ReferenceUnusable: there are no rows, or they cannot be one.
        PackageTampered, UntrustedModel, PackagingFailed: the model cannot be asked.
        ServiceCrashed, …: the running stack did not take it; the former baseline is there again.
        StackNotReady: it was not ready in time; the new one stays.
    """
    name = _name(project, model)
    if options.file is not None and not options.file.is_file():
        raise InputUnreadable(f"there is no file {options.file}", fix=f"check the path: {options.file.absolute()}")
    with _locked(project, report):
        sight = look(project.root)
        package = _package(project, sight, name)
        config = project.models[package.model]
        admit(package, config)
        interpreter = ensure_package_environment(package, report=report.note)
        report.step(f"Making the baseline of {package.model} {package.version}")
        unmeant: Counter[str] = Counter()
        if options.file is not None:
            rows = Rows(source=options.file.name, file=options.file.absolute(), target=config.target)
        else:
            rows = Rows(source="logs", events=_logged(project.root, package, options.since, unmeant))
        made = make_baseline(project, package, rows, interpreter=interpreter)
        profile = made.baseline.profile
        report.done(f"Made the baseline of {package.model} {package.version}", profile_lines(profile)[0])
        for line in profile_lines(profile)[1:]:
            report.warn(line)
        if unmeant:
            report.note(f"left out of the baseline: {unmeant_text(unmeant)}")
        shown = replace(_of_baseline(project, package, made.baseline), change="set", dry_run=dry_run)
        if options.file is None:
            shown = replace(shown, attention=_LOGGED)
        return shown if dry_run else replace(shown, running=_changed(project, sight, package.model, made.files, report))


def reset_baseline(project: Project, model: str | None, *, dry_run: bool, report: Report) -> ReferenceInUse:
    """Go back to what was packaged, and give that to a running stack.

    Raises:
        UsageError: there is no such model, or it has no baseline.
        NotRunning: the model was never packaged.
        PackageTampered: the package is not what was packaged.
        ServiceCrashed, StackNotReady, …: as of `set_baseline`.
    """
    name = _name(project, model)
    if not has_left(baseline_folder(project, name)):
        raise UsageError(f"{name} has no baseline", fix="see what is compared with: sandbox drift baseline")
    if dry_run:
        return replace(_of_package(_package(project, look(project.root), name)), change="reset", dry_run=True)
    with _locked(project, report):
        sight = look(project.root)
        package = _package(project, sight, name)
        verify_package(package)
        return replace(_of_package(package), change="reset", running=_changed(project, sight, name, {}, report))


def _locked(project: Project, report: Report) -> AbstractContextManager[None]:
    return project_lock(project.state_dir, _LOCK, waiting=lambda who: report.note(f"waiting for {who}"))


def _changed(project: Project, sight: Sight, model: str, files: Mapping[str, bytes], report: Report) -> str:
    """Keep these files as the baseline (none: keep none), and give them to a running stack; who does not take them gets the former back."""
    folder = baseline_folder(project, model)
    former = kept_files(folder)
    put_files(folder, files)
    try:
        return hand_over(project, sight, report)
    except StackNotReady:
        raise  # it was left running with the new one
    except BaseException as error:
        put_files(folder, former)
        if isinstance(error, SandboxError):
            error.why = f"{error.why}\nWhat the project kept before is kept again.".strip()
        raise


def _name(project: Project, model: str | None) -> str:
    if model is not None and model not in project.models:
        raise UsageError(f"there is no model {model}", why=f"Models: {', '.join(project.models)}.", fix="name one: sandbox drift baseline")
    return model or next(iter(project.models))


def _package(project: Project, sight: Sight, model: str) -> Package:
    """The package that answers; when none ever did, the newest one."""
    served = sight.remembered.served.get(model)
    if served is None:
        newest = next(iter(list_packages(project.root, model)), None)
        if newest is None:
            raise NotRunning(f"{model} was never packaged", fix="package and start it: sandbox up")
        return newest
    return served_package(project, model, served)


def _in_use(project: Project, package: Package) -> ReferenceInUse:
    baseline = baseline_of(project, package.model)
    if baseline is None:
        return _of_package(package)
    unused = unused_baseline(project, package)
    return replace(_of_package(package), unused=unused) if unused else _of_baseline(project, package, baseline)


def _of_baseline(project: Project, package: Package, baseline: Baseline) -> ReferenceInUse:
    folder = baseline.folder.relative_to(project.root).as_posix()
    return ReferenceInUse(package.model, package.version, "baseline", baseline.source, baseline.profile, baseline.created, folder)


def _of_package(package: Package) -> ReferenceInUse:
    known = package.manifest.get("profile")
    if not package.profile_files:
        why = known["problem"] if known else "there are no reference rows"
        return ReferenceInUse(package.model, package.version, "live", why, {})
    told = {key: value for key, value in known.items() if key != "files"} if known else {}
    return ReferenceInUse(package.model, package.version, "package", f"the reference of {package.version}", told)


def meant_events(found: Iterable[dict[str, Any]], unmeant: Counter[str]) -> Iterator[dict[str, Any]]:
    """The predictions among events, without those that `sandbox` asked for itself; how many rows these have is added to `unmeant`."""
    for event in found:
        if event.get(Field.EVENT_DATASET) != Dataset.PREDICTION:
            continue
        origin = event.get(Field.ORIGIN)
        if origin is None:
            yield event
        else:
            unmeant[str(origin)] += int(event[Field.ROWS])


def unmeant_text(rows: Mapping[str, int]) -> str:
    """How many rows nobody meant, by their origin."""
    found = sorted(rows.items(), reverse=True)
    return ", ".join(f"{count:,} {_UNMEANT.get(origin, origin)} row{'' if count == 1 else 's'}" for origin, count in found)


def _logged(root: Path, package: Package, since: float | None, unmeant: Counter[str]) -> Iterator[dict[str, Any]]:
    """The newest logged predictions of a package, newest first, without those that `sandbox` asked for itself, whose rows are counted.

    Raises:
        ReferenceUnusable: there is none.
    """
    found = False
    wanted = EventFilter(requests=True, since=since, model=package.model, version=package.version)
    for event in meant_events(events(root, wanted, lines=MOST_EVENTS, rows=ProfileFile.MOST_ROWS), unmeant):
        found = True
        yield event
    if not found:
        why = "Rows that another version answered are none of its reference." if since is None else "Nothing was asked since then."
        if unmeant:
            why = f"It was asked about nothing but {unmeant_text(unmeant)}."
        raise ReferenceUnusable(
            f"no request to {package.model} {package.version} is logged",
            why=why,
            fix="ask it something: sandbox predict --data FILE   or name rows: sandbox drift baseline set --from FILE",
        )
