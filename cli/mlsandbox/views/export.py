"""Text of what was exported."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from shlex import quote
from typing import Final

from mlsandbox.actions.export_written import PLAIN, ExportResult
from mlsandbox.output import Paint
from mlsandbox.views.tables import span

_DIGEST_SHOWN: Final = 12
_TODO_SHOWN: Final = 5
"""More than that is not read where it scrolls by; the README and -o json have all."""


def export_text(result: ExportResult, paint: Paint, *, quiet: bool = False) -> str:
    """What was written, what of it is used where, and what is left to do; of a check or a dry run what would be written.

    Args:
        result: what there is to say.
        paint: for a terminal.
        quiet: leave out what comes after the result: what is left to do, and what is next.
    """
    folder = _shown(result.folder)
    if result.check:
        return "\n".join(_checked(result, folder, quiet=quiet))
    if result.plan:
        rows = [f"  {step.action:<9} {step.subject}: {step.why}" for step in result.plan]
        return "\n".join([f"Dry run of {result.project}: nothing was changed. sandbox export would", *rows])
    lines = _dry(result, folder) if result.dry_run else [f"  {paint.strong(_headline(result, folder))} · {span(result.elapsed)}"]
    lines += _kept(result)
    about = [(name, _namespaced(result, name, parts)) for name, parts in result.overlays.items()]
    about += [(name, "yours: not readable") for name in result.unreadable]
    about += [(f"image {key}", _short(image)) for key, image in result.images.items()]
    about += [(f"no {name}", f"{each.reason}: {each.fix}") for name, each in result.missing.items()]
    if about:
        width = max(len(name) for name, _ in about)
        lines += ["", *(f"  {name:<{width}}  {text}" for name, text in about)]
    if quiet:
        return "\n".join(lines)
    if result.todo and result.differs:  # who exports the same again has read it
        shown = result.todo if len(result.todo) <= _TODO_SHOWN + 1 else result.todo[:_TODO_SHOWN]
        lines += ["", f"  {'Still to do, or to check' if result.kubernetes else 'To know'}", *(f"    - {text}" for text in shown)]
        lines += [f"    … and {len(result.todo) - len(shown)} more in {folder}README.md"] if len(shown) < len(result.todo) else []
    return "\n".join([*lines, "", *_next(result, folder)])


def _headline(result: ExportResult, folder: str) -> str:
    if not result.differs:
        return f"{folder} is as it was: {_files(result.unchanged)}, nothing to do"
    parts = [f"{_files(len(result.written))} ({_by_folder(result.written)})"] if result.written else []
    parts += [f"{len(result.removed)} removed"] if result.removed else []
    parts += [f"{result.unchanged} unchanged"] if result.unchanged else []
    return f"Wrote {folder}: {', '.join(parts) or 'nothing but its record'}"


def _by_folder(paths: tuple[str, ...]) -> str:
    counted = Counter(path.partition("/")[0] for path in paths)
    return ", ".join(f"{name} {number}" for name, number in counted.items())


def _kept(result: ExportResult) -> list[str]:
    return [f"  kept, since it was changed by hand: {path}" for path in result.kept]


def _namespaced(result: ExportResult, name: str, components: tuple[str, ...]) -> str:
    yours = "yours: " if name in result.yours else ""
    return f"{yours}namespace {result.namespaces[name]} · {', '.join(components) or 'no components'}"


def _checked(result: ExportResult, folder: str, *, quiet: bool) -> list[str]:
    if not result.differs:
        return [f"{folder} is what would be written ({_files(result.unchanged)})"]
    following = [] if quiet else [f"  Next  {result.command}"]
    if not (result.unchanged or result.kept or result.removed) and len(result.absent) == len(result.written):
        return [f"{folder} {'holds no export' if result.folder.exists() else 'is not there'}", *following]
    rows = [f"  {'missing' if path in result.absent else 'differs':<9} {path}" for path in result.written]
    rows += [f"  too many  {path}" for path in result.removed]
    rows += [f"  broken    {each}, which would not be there" for each in result.dangling]
    return [f"{folder} is not what would be written", *(rows or ["  differs   its record"]), *following]


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _dry(result: ExportResult, folder: str) -> list[str]:
    rows = [*(f"  write     {path}" for path in result.written), *(f"  remove    {path}" for path in result.removed)]
    return [f"Dry run of {result.project}: nothing was changed. sandbox export would, in {folder},", *(rows or ["  do nothing"])]


def _next(result: ExportResult, folder: str) -> list[str]:
    path = quote(folder.rstrip("/"))
    if result.kubernetes is None:
        return [f"  Next  cat {path}/README.md"]
    overlay = next(iter((*result.overlays, *result.unreadable)), "")
    if result.form == PLAIN:
        return [f"  Next  kubectl apply --server-side -f {path}/plain/{overlay}.yaml"]
    return [
        f"  Next  kubectl kustomize {path}/overlays/{overlay}",
        f"        kubectl apply --server-side -k {path}/overlays/{overlay}",
        f"        {path}/README.md says the rest",
    ]


def _short(image: str) -> str:
    name, at, digest = image.partition("@")
    return f"{name}{at}{digest[: len('sha256:') + _DIGEST_SHOWN]}…" if at else f"{name}  (a tag, which can be moved)"


def _shown(folder: Path) -> str:
    """As people would write it from where they are."""
    near = folder.is_relative_to(Path.cwd())
    return f"{folder.relative_to(Path.cwd()) if near else folder}{os.sep}"
