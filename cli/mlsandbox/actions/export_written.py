"""Where an export goes, what comes of it, and the one way in which a folder is written, checked or only looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Final

from mlsandbox.actions.export_tree import OVERLAYS, TreePlan
from mlsandbox.actions.outcomes import PlannedStep, Report
from mlsandbox.render.kubernetes.bundle import Missing
from mlsandbox.render.kubernetes.facts import OUTSIDE
from mlsandbox.render.kubernetes.overlays import PRODUCTION

K8S: Final = "k8s"
"""The kind of the export for Kubernetes, and its usual folder."""
KUSTOMIZE: Final = "kustomize"
PLAIN: Final = "plain"
FORMS: Final = (KUSTOMIZE, PLAIN)
OVERLAY: Final = PRODUCTION
"""Of a plain list for which none is named."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an export goes, and how."""

    folder: Path
    """Need not be there."""
    said: str = ""
    """The same as it was said; empty: the usual one."""
    form: str = KUSTOMIZE
    overlay: str = OVERLAY
    """Of a plain list."""
    check: bool = False
    """Change nothing: say what is other than it would be."""
    dry_run: bool = False
    registry: str | None = None
    """Where images are pushed to."""
    measured: bool = False
    """Look at the running stack first."""

    @property
    def writes_nothing(self) -> bool:
        return self.check or self.dry_run


@dataclass(frozen=True, slots=True)
class Dangling:
    """A line of an overlay that names what is not there, so that Kustomize makes nothing of that overlay."""

    file: str
    line: int
    """Counted from 1."""
    named: str
    """In the folder of the export: "components/challenger"."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} names {self.named}"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written, or would be."""

    project: str
    folder: Path
    what: str
    """"k8s", "compose", "grafana" or "prometheus"."""
    form: str | None = None
    """"kustomize" or "plain", of k8s."""
    kubernetes: str | None = None
    """The oldest release that takes it, "1.33"."""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    """By overlay."""
    overlays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The components that each one has."""
    yours: tuple[str, ...] = ()
    """Those of them that were changed by hand: namespace and components are what their files say."""
    unreadable: tuple[str, ...] = ()
    """Overlays that were changed by hand, of which the files cannot be read."""
    missing: Mapping[str, Missing] = field(default_factory=dict)
    """Components that cannot be had yet, and what they need."""
    images: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None
    """What writes the same again."""
    written: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    """Those of them that are, or were, not there at all."""
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    """How many files were as they should be."""
    kept: tuple[str, ...] = ()
    """Files of overlays that were changed by hand, and stay as they are."""
    edited: tuple[str, ...] = ()
    """Other files that were changed by hand, and are written anew or removed."""
    dangling: tuple[Dangling, ...] = ()
    """Of a check: lines of overlays that name what would not be there."""
    todo: tuple[str, ...] = ()
    """What its user still has to do."""
    plan: tuple[PlannedStep, ...] = ()
    """Of a dry run that would push images."""
    check: bool = False
    dry_run: bool = False
    differs: bool = False
    """Whether the folder is, or was, other than it would be written."""
    elapsed: float = 0.0
    """Seconds."""


def carried_out(
    result: ExportResult, plan: TreePlan, delivery: Delivery, report: Report, apply: Callable[[], None] | None = None
) -> ExportResult:
    """Do what was planned, unless it was only asked for.

    Args:
        result: what is known of the export besides its files.
        plan: what is to be done to the folder.
        delivery: whether it is to be done.
        report: told of changes by hand that are lost, before they are.
        apply: does it; None: `plan.apply`.
    """
    absent = tuple(file.path for file in plan.write if not (plan.folder / file.path).exists())
    if not delivery.writes_nothing:
        for path in plan.edited:
            report.warn(f"{path} was changed by hand, and is {'removed' if path in plan.remove else 'written anew'}{_where(plan)}")
        for overlay in plan.left_away:
            report.note(f"{overlay} was removed by hand, and stays so (to have it back: mkdir {quote(str(plan.folder / overlay))})")
        (apply or plan.apply)()
    return replace(
        result,
        written=tuple(file.path for file in plan.write),
        absent=absent,
        removed=plan.remove,
        unchanged=len(plan.same),
        kept=plan.kept,
        edited=plan.edited,
        differs=plan.differs,
        check=delivery.check,
        dry_run=delivery.dry_run,
    )


def _where(plan: TreePlan) -> str:
    """Where changes are kept."""
    has_overlays = any(path.startswith(OVERLAYS) for path in plan.record)
    return f": changes belong in {OVERLAYS}" if has_overlays else ""


def folder_in_words(root: Path, folder: Path, usual: str) -> str:
    """The folder as files have it in the command that writes the same again: neither the usual one nor a path of this machine is said."""
    within = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else OUTSIDE
    return "" if within == usual else within


def command_as_said(command: str, root: Path, delivery: Delivery, what: str) -> str:
    """The command that files have, as it works where the export was called."""
    folder = folder_in_words(root, delivery.folder, what)
    if not (folder and delivery.said):
        return command
    opening = f"sandbox export {what}"
    return f"{opening} {quote(delivery.said)}{command.removeprefix(f'{opening} {quote(folder)}')}"
