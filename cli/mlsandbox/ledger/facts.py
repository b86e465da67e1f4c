"""What a package is made from, as its entry in the ledger has it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.contract import PackageFile

_MAIN_LIBRARIES: Final = frozenset(
    {"catboost", "joblib", "lightgbm", "mlflow", "numpy", "onnxruntime", "pandas", "scikit-learn", "scipy", "torch", "xgboost"}
)
"""Those that a prediction may depend on; the digest of the lock stands for all the others."""


def facts_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a package.

    Args:
        manifest: package.json.

    Returns:
        Of "lock_digest", "model_digest", "served_code_digest", "schema_digest", "data_digest", "data_rows", "parameters", "metrics",
        "git" {"commit", "dirty"}, "python", "libraries" {name: version}, "kind" and "captured" (a time) those that it has.
    """
    data = manifest.get("data") or {}
    schema = (manifest.get("texts") or {}).get(PackageFile.SCHEMA)
    facts = {
        "lock_digest": manifest.get("lock_digest"),
        "model_digest": manifest.get("model_digest"),
        "served_code_digest": manifest.get("served_code_digest"),
        "schema_digest": schema and f"sha256:{schema}",
        "data_digest": data.get("digest"),
        "data_rows": data.get("rows"),
        "parameters": manifest.get("parameters"),
        "metrics": manifest.get("metrics"),
        "git": manifest.get("git"),
        "python": manifest.get("python"),
        "libraries": main_libraries(manifest.get("libraries") or {}),
        "kind": (manifest.get("load") or {}).get("kind"),
        "captured": manifest.get("created"),
    }
    return {name: value for name, value in facts.items() if value}


def main_libraries(versions: Mapping[str, str]) -> dict[str, str]:
    """Those of them that predictions depend on."""
    return {name: version for name, version in sorted(versions.items()) if name in _MAIN_LIBRARIES}
