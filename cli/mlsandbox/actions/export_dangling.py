"""Lines of overlays that an export leaves as they are, and that name what would not be there any more."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from mlsandbox.actions.export_tree import OVERLAYS, TreePlan
from mlsandbox.actions.export_written import Dangling
from mlsandbox.errors import ComponentMissing
from mlsandbox.render.kubernetes.bundle import Missing
from mlsandbox.render.kubernetes.kustomize import BASE, COMPONENTS

_FILES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What Kustomize looks for in a folder."""
_FIELDS: Final = frozenset({"components", "resources", "bases"})
_OURS: Final = (BASE, COMPONENTS)
"""Folders that exports write anew, and take away from."""


def dangling(plan: TreePlan) -> tuple[Dangling, ...]:
    """Such lines of all overlays that were changed by hand, or are their user's own, once the plan is carried out."""
    written = {file.path for file in plan.write}
    found: list[Dangling] = []
    for path in sorted(path for name in _FILES for path in (plan.folder / OVERLAYS).rglob(name)):
        file = path.relative_to(plan.folder).as_posix()
        if file not in written and file not in plan.remove and path.is_file():
            found += [each for each in _named(path, file) if not _will_be_there(plan, each.named)]
    return tuple(found)


def refuse_dangling(found: Sequence[Dangling], missing: Mapping[str, Missing]) -> None:
    """Stop before what such lines name is taken away.

    Args:
        found: the lines.
        missing: components that cannot be had, and why.

    Raises:
        ComponentMissing: there are such lines.
    """
    if not found:
        return
    first = found[0]
    name = first.named.partition("/")[2]
    known = missing.get(name)
    back = f"{known.fix}   or " if known else ""
    raise ComponentMissing(
        f"the overlay {first.file} names {first.named}, which this export does not have",
        why="\n".join((*([f"{name} cannot be had: {known.reason}"] if known else []), *map(str, found))),
        fix=f"{back}take line {first.line} out of {first.file}",
        details={"component": name, "lines": list(map(str, found))},
    )


def _named(path: Path, file: str) -> Iterator[Dangling]:
    """What a file names of ours; nothing of a file that is no YAML, of which Kustomize says more."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value in _FIELDS and isinstance(value, yaml.SequenceNode):
            for each in value.value:
                named = posixpath.normpath(posixpath.join(posixpath.dirname(file), each.value)) if isinstance(each, yaml.ScalarNode) else ""
                if named.partition("/")[0] in _OURS:
                    yield Dangling(file, each.start_mark.line + 1, named)


def _will_be_there(plan: TreePlan, path: str) -> bool:
    """Whether the plan leaves the file, or the folder as one of Kustomize."""
    return any(
        each in plan.record or (each not in plan.remove and (plan.folder / each).is_file())
        for each in (path, *(f"{path}/{name}" for name in _FILES))
    )
