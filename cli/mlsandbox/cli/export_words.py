"""What the words of `sandbox export` come to: which of them belong together, and what is called with them."""
# ruff: noqa: PLC0415 - what is slow to import is needed by some of them alone

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import FORMS, KUSTOMIZE, OVERLAY, PLAIN, Delivery, ExportResult, folder_in_words
from mlsandbox.cli.interrupts import too_late
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit, UsageError
from mlsandbox.output import Format
from mlsandbox.project import Project
from mlsandbox.views.export import export_text as text_of

K8S: Final = "k8s"
_HELP: Final = "see which go together: sandbox export --help"
_OF_ALL: Final = frozenset({"images", "versions", "accepted_licences"})
"""Fields of ExportOptions that every kind of export takes."""
_SAID: Final = {"release": "k8s-version", "chosen": "with", "left_out": "without", "cpu_limits": "no-cpu-limits"}
"""Options whose names are not those of the fields."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was said besides what goes into the export."""

    what: str
    folder: Path | None
    form: str | None
    overlay: str | None
    stdout: bool
    check: bool
    registry: str | None
    measured: bool
    prove: bool
    context: str | None

    @property
    def given(self) -> Mapping[str, object]:
        """Those options that were given."""
        values = {"format": self.form, "overlay": self.overlay, "stdout": self.stdout, "check": self.check, "to-registry": self.registry}
        values |= {"measured": self.measured, "prove": self.prove, "context": self.context}
        return {f"--{name}": value for name, value in values.items() if value not in {None, False}}


def exported(session: Session, asked: ExportOptions, words: Words) -> Exit:
    """Do what the words say."""
    project = session.project()
    if words.what != K8S:
        return _ejected(session, project, asked, words)
    from mlsandbox.actions.export_k8s import export_k8s, export_text, rendered

    _refuse_contradictions(session, words)
    delivery = Delivery(
        folder=_folder(project, words),
        form=words.form or (PLAIN if words.stdout else KUSTOMIZE),
        overlay=words.overlay or OVERLAY,
        check=words.check,
        dry_run=session.options.dry_run,
        registry=words.registry,
        measured=words.measured,
    )
    if words.prove:
        from mlsandbox.actions.prove import prove_export
        from mlsandbox.views.prove import prove_text

        export, facts = rendered(project, asked, delivery)
        timeout, report = session.options.timeout, session.report
        proof = prove_export(project, export, facts, context=words.context, timeout=timeout, report=report)
        session.close()
        session.output.result("Proof", proof, prove_text(proof, session.output.out))
        return Exit.OK if proof.proven else Exit.BAD_FINDING
    if words.stdout:
        text = export_text(project, asked, delivery, session.report)
        session.close()
        session.output.line(text.rstrip("\n"))
        return Exit.OK
    return _shown(session, export_k8s(project, asked, delivery, session.report))


def _ejected(session: Session, project: Project, asked: ExportOptions, words: Words) -> Exit:
    from mlsandbox.actions.eject import eject

    usual = ExportOptions()
    changed = [name for name in ExportOptions.__slots__ if name not in _OF_ALL and getattr(asked, name) != getattr(usual, name)]
    strange = [*(f"--{_SAID.get(name, name.replace('_', '-'))}" for name in changed), *(name for name in words.given if name != "--check")]
    if strange:
        raise UsageError(f"{strange[0]} belongs to k8s, not to {words.what}", fix=_HELP)
    folder = _folder(project, words)
    delivery = Delivery(folder, check=words.check, dry_run=session.options.dry_run)
    asked = replace(asked, folder=folder_in_words(project.root, folder, words.what))
    return _shown(session, eject(project, words.what, asked, delivery, session.report))


def _shown(session: Session, result: ExportResult) -> Exit:
    too_late()
    session.close()
    session.output.result("Export", result, text_of(result, session.output.out, quiet=session.output.quiet))
    return Exit.BAD_FINDING if result.check and result.differs else Exit.OK


def _refuse_contradictions(session: Session, words: Words) -> None:
    given = words.given
    if words.form not in {None, *FORMS}:
        raise UsageError(f"--format {words.form} is not known", fix=f"use one of: --format {' | '.join(FORMS)}")
    if words.overlay and words.form != PLAIN and not words.stdout:
        raise UsageError(
            f"--overlay {words.overlay} goes with a plain list: a tree holds all of them",
            fix=f"sandbox export k8s --format plain --overlay {words.overlay}",
        )
    if words.stdout and words.form == KUSTOMIZE:
        raise UsageError("--stdout is one text, and a Kustomize tree is many files", fix="leave --format out: sandbox export k8s --stdout")
    if words.stdout and session.options.form is not Format.TEXT:
        raise UsageError(f"--stdout writes manifests, not {session.options.form}", fix="leave one of them out: --stdout, or -o")
    if words.stdout and words.registry and session.options.dry_run:
        raise UsageError("what --stdout prints is known once the images are pushed", fix="leave one of them out: --stdout, or --dry-run")
    if words.context and not words.prove:
        raise UsageError("--context goes with --prove", fix="sandbox export k8s --prove --context NAME")
    exclusive = [name for name in ("--stdout", "--check", "--prove") if name in given]
    exclusive += [name for name in ("--to-registry", "--measured") if name in given and exclusive and exclusive != ["--stdout"]]
    if len(exclusive) > 1:
        raise UsageError(f"{exclusive[0]} and {exclusive[1]} do not go together", fix=f"leave one of them out; {_HELP}")


def _folder(project: Project, words: Words) -> Path:
    """Where to: a path is meant from the current folder, the usual one lies in the project."""
    return project.root / words.what if words.folder is None else words.folder.absolute()
