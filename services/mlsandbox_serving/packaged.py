"""The package that this code lies beside, for programs that run in a model's image: which version it is of, and its reference profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.contract import Env, PackageFile

BESIDE: Final = Path(__file__).resolve().parent.parent
"""The folder that `mlsandbox_serving/` and `package/` are in; without `package/` where the code is installed instead."""


class Packaged(NamedTuple):
    """Whose package it is."""

    model: str
    version: str


def packaged(root: Path = BESIDE) -> Packaged:
    """Name and version in the package's own manifest.

    Raises:
        OSError, ValueError: there is no manifest, or it says neither.
    """
    path = root / PackageFile.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    try:
        return Packaged(str(manifest["model"]), str(manifest["version"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} names no model and version") from error


def served_version(environ: Mapping[str, str], root: Path = BESIDE) -> str:
    """The version that is served: what the environment says, else the package; "" where nothing says it.

    Whoever runs an image need not know what is in it.
    """
    stated = environ.get(Env.VERSION)
    if stated:
        return stated
    try:
        return packaged(root).version
    except (OSError, ValueError):
        return ""
