"""Packages in name only: what there is to know of versions without building one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlsandbox.packaging.package import Package, read_package, store_path
from mlsandbox_serving.contract import PackageFile


def named_package(root: Path, model: str, version: str, **facts: Any) -> Package:
    """A version's folder with a package.json, and what reads it.

    Args:
        root: the project's folder.
        model: its name.
        version: "v3".
        facts: further members of package.json.
    """
    bento = store_path(root) / "bentos" / model / version
    manifest = bento / "src" / PackageFile.MANIFEST
    manifest.parent.mkdir(parents=True)
    digest = f"sha256:{model}-{version}"
    own = {"model": model, "version": version, "digest": digest, "lock_digest": f"sha256:lock-{version}", "python": "3.11.7"}
    manifest.write_text(json.dumps({**own, "model_tag": f"{model}:{version}", **facts}), encoding="utf-8")
    return read_package(bento)
