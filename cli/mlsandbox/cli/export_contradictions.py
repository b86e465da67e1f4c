"""Which words of `sandbox export` belong together."""

from __future__ import annotations

from typing import Final

from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import FORMS, K8S, KUSTOMIZE, PLAIN
from mlsandbox.actions.measured_file import FILE as MEASURED
from mlsandbox.cli.export_words import Words
from mlsandbox.errors import UsageError
from mlsandbox.output import Format

_OF_ALL: Final = frozenset({"images", "versions", "accepted_licences"})
"""Fields of ExportOptions that not only k8s takes."""
_SAID: Final = {"release": "k8s-version", "chosen": "with", "left_out": "without", "cpu_limits": "no-cpu-limits"}
"""Options whose names are not those of the fields."""
_APART: Final = {
    "--prove": ("--dry-run", "--check", "--stdout", "--to-registry", "--measured", "--format", "--overlay"),
    "--check": ("--stdout", "--to-registry", "--measured"),
}
_WHY: Final = {
    "--prove": "A proof is of all overlays, writes no folder, and makes a namespace in the cluster that it removes.",
    "--check": "A check changes nothing, neither here nor in a registry, and is of a folder.",
}


def refuse_contradictions(options: ExportOptions, words: Words, form: Format, *, dry_run: bool) -> None:
    """Refuse what does not go together, and what would be ignored.

    Raises:
        UsageError: there is such a thing.
    """
    usual, given = ExportOptions(), [*words.given, *(["--dry-run"] if dry_run else [])]
    if words.what != K8S:
        changed = [name for name in ExportOptions.__slots__ if name not in _OF_ALL and getattr(options, name) != getattr(usual, name)]
        strange = [f"--{_SAID.get(name, name.replace('_', '-'))}" for name in changed]
        strange += [name for name in given if name not in {"--check", "--dry-run"}]
        if strange:
            raise UsageError(f"{strange[0]} belongs to k8s, not to {words.what}", fix=f"sandbox export {words.what}   without {strange[0]}")
        return
    for one, others in _APART.items():
        if one in given and (other := next((each for each in others if each in given), None)):
            raise UsageError(f"{one} and {other} do not go together", why=_WHY[one], fix=f"sandbox export k8s {one}   without {other}")
    _refuse_ignored(words, form, dry_run=dry_run)


def _refuse_ignored(words: Words, form: Format, *, dry_run: bool) -> None:
    if words.form not in {None, *FORMS}:
        raise UsageError(f"--format {words.form} is not known", fix=f"sandbox export k8s --format {' | '.join(FORMS)}")
    if words.overlay and words.form != PLAIN and not words.stdout:
        what = f"--overlay {words.overlay} goes with a plain list: a tree holds all of them"
        raise UsageError(what, fix=f"sandbox export k8s --format plain --overlay {words.overlay}")
    if words.stdout and words.form == KUSTOMIZE:
        raise UsageError("--stdout is one text, and a Kustomize tree is many files", fix="sandbox export k8s --stdout   without --format")
    if words.stdout and form is not Format.TEXT:
        raise UsageError(f"--stdout writes manifests, not {form}", fix="sandbox export k8s --stdout   without -o")
    if words.stdout and words.registry and dry_run:
        what = "what --stdout prints is known once the images are pushed"
        raise UsageError(what, fix="sandbox export k8s --to-registry REGISTRY --stdout   without --dry-run")
    if words.context and not words.prove:
        raise UsageError("--context goes with --prove", fix="sandbox export k8s --prove --context NAME")
    if words.prove and words.folder and not (words.folder / MEASURED).is_file():
        why = f"A proof is of what an export would write. Of a folder it takes {MEASURED} alone, which --measured keeps there."
        raise UsageError(f"{words.folder} has nothing that --prove takes", why=why, fix="sandbox export k8s --prove   without a folder")
