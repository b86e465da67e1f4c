"""What an overlay that was changed by hand comes to: its user's file is read, since no export says what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mlsandbox.actions.export_tree import OVERLAYS
from mlsandbox.render.kubernetes.kustomize import COMPONENTS, FILE

_OURS: Final = f"../../{COMPONENTS}/"


@dataclass(frozen=True, slots=True)
class Kept:
    """One of them."""

    namespace: str
    """Empty: it says none, so that objects have the one of the base."""
    components: tuple[str, ...]
    """Names of those of the export; of others their paths, as they are written there."""


def read_kept(folder: Path, paths: Iterable[str]) -> Mapping[str, Kept | None]:
    """By the names of overlays what their kustomization.yaml says; None of one that cannot be read.

    Args:
        folder: of the export.
        paths: the files in it that are kept as they are; those of other names are passed over.
    """
    names = [
        path.removeprefix(OVERLAYS).removesuffix(f"/{FILE}") for path in paths if path.startswith(OVERLAYS) and path.endswith(f"/{FILE}")
    ]
    return {name: _read(folder / OVERLAYS / name / FILE) for name in names}


def _read(path: Path) -> Kept | None:
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
        namespace, components = document.get("namespace") or "", document.get("components") or []
    except (OSError, ValueError, yaml.YAMLError, AttributeError, RecursionError):
        return None
    if not isinstance(namespace, str) or not isinstance(components, list) or not all(isinstance(each, str) for each in components):
        return None
    return Kept(namespace, tuple(each.removeprefix(_OURS).rstrip("/") for each in components))
