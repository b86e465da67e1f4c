"""Packages as they lie in a project's store: as much of them as what lists, keeps and removes them reads."""

from __future__ import annotations

import json
from pathlib import Path

from mlsandbox.packaging.package import Package, read_package, store_path
from mlsandbox_serving.contract import PackageFile


def stored_package(root: Path, model: str, version: str, *, weights: str = "", size: int = 10) -> Package:
    """Put a package into the store of the project in `root`.

    Args:
        root: the project's folder.
        model: its name.
        version: "v1".
        weights: what the model's files are stored by; packages with the same share them; empty: the version's own.
        size: bytes of the model's file.
    """
    tag = f"{model}:{weights or version}"
    bento = store_path(root) / "bentos" / model / version
    manifest = bento / "src" / PackageFile.MANIFEST
    manifest.parent.mkdir(parents=True)
    digest = f"sha256:{model}-{version}"
    facts = {"model": model, "version": version, "digest": digest, "lock_digest": "sha256:0", "python": "3.11.1", "model_tag": tag}
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    (bento.parent / "latest").write_text(version, encoding="utf-8")
    files = store_path(root) / "models" / model / (weights or version)
    files.mkdir(parents=True, exist_ok=True)
    (files / "model.joblib").write_bytes(b"x" * size)
    return read_package(bento)
