"""The only locator of files that are not Python: in a wheel they lie in `_assets`, in a checkout where they are edited."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsandbox.errors import AssetsMissing

_PACKAGED: Final = Path(__file__).parent / "_assets"
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_FOLDERS: Final = {"requirements": "services/requirements"}
"""Where a checkout has what a wheel has under another name."""


def asset_path(path: str) -> Path:
    """A file or folder of `compose/`, `fluentd/`, `grafana/`, `prometheus/` or `requirements/`: "prometheus/prometheus.yml".

    Raises:
        AssetsMissing: it is not there.
    """
    top, _, rest = path.partition("/")
    for found in (_PACKAGED / path, _CHECKOUT / _FOLDERS.get(top, top) / rest):
        if found.exists():
            return found
    raise AssetsMissing(f"{path} is missing from this installation", fix="reinstall: pip install --force-reinstall mlsandbox")


def asset(path: str) -> str:
    """The text of such a file."""
    return asset_path(path).read_text("utf-8")
