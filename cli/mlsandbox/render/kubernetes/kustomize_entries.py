"""The entries of a kustomization.yaml (pure): generated ConfigMaps, changes to them, patches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Config, ConfigChange, Patch, Removal
from mlsandbox.render.kubernetes.manifest import KINDS
from mlsandbox.render.kubernetes.manifest_text import manifest_text
from mlsandbox.render.tree import RenderedFile

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def config_entry(config: Config, folder: str, namespace: str, head: str) -> tuple[dict[str, Any], list[RenderedFile]]:
    """An entry of configMapGenerator, and the files that it is made from.

    Args:
        config: the ConfigMap.
        folder: that its files lie in, "" or "churn"; what is in a folder does not say the folder's name again.
        namespace: of the base.
        head: how a file of variables begins.
    """
    name = config.name.removeprefix(f"{folder}-") if folder else config.name
    start = f"{folder}/" if folder else ""
    entry: dict[str, Any] = {"name": config.name, "namespace": namespace}
    variables = {} if config.files else {key: value for key, value in config.data.items() if _fits_line(key, value)}
    files = []
    if variables:
        lines = "".join(f"{key}={value}\n" for key, value in variables.items())
        files.append(RenderedFile(f"{start}{name}.env", head + lines))
        entry["envs"] = [f"{start}{name}.env"]
    _add_files(entry, files, {key: value for key, value in config.data.items() if key not in variables}, f"{start}{name}")
    return entry, files


def change_entry(change: ConfigChange, namespace: str) -> tuple[dict[str, Any], list[RenderedFile]]:
    """An entry of configMapGenerator that changes what is there, and the files that it is made from."""
    entry: dict[str, Any] = {"name": change.name, "namespace": namespace, "behavior": "merge"}
    # Kustomize takes quotes off the ends of a literal.
    literals = {key: value for key, value in change.data.items() if _fits_line(key, value) and value == value.strip("\"'")}
    files: list[RenderedFile] = []
    if literals:
        entry["literals"] = [f"{key}={value}" for key, value in literals.items()]
    _add_files(entry, files, {key: value for key, value in change.data.items() if key not in literals}, change.name)
    return entry, files


def removal_entry(removal: Removal, namespace: str) -> dict[str, Any]:
    """An entry of patches that takes an object away."""
    metadata = {"name": removal.name, "namespace": namespace}
    patch = {"$patch": "delete", "apiVersion": KINDS[removal.kind].version, "kind": removal.kind, "metadata": metadata}
    return {"patch": manifest_text(patch)}


def patch_entry(patch: Patch) -> dict[str, Any]:
    """An entry of patches."""
    return {"target": {"kind": patch.kind, "name": patch.name}, "patch": manifest_text([dict(each) for each in patch.operations])}


def _add_files(entry: dict[str, Any], files: list[RenderedFile], data: Mapping[str, str], folder: str) -> None:
    if data:
        entry["files"] = [f"{key}={folder}/{key}" for key in data]
        files += (RenderedFile(f"{folder}/{key}", value) for key, value in data.items())


def _fits_line(key: str, value: str) -> bool:
    return bool(_VARIABLE.fullmatch(key)) and not re.search(r"[\r\n]", value)
