"""The only locator of files that are not Python: in a wheel they lie in `_assets`, in a checkout where they are edited."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsandbox.errors import AssetsMissing

_PACKAGED: Final = Path(__file__).parent / "_assets"
_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "services"


def requirements_file(name: str) -> Path:
    """A file of services/requirements: "model.in", "log-store.txt"."""
    for root in (_PACKAGED, _CHECKOUT):
        path = root / "requirements" / name
        if path.is_file():
            return path
    raise AssetsMissing(f"requirements/{name} is missing from this installation", fix="reinstall: pip install --force-reinstall mlsandbox")
