"""The files of a bento as they lie in the image of a model: small, whole, and of no use but to be delivered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MODEL = "models/churn/abc123"
SERVED = {"service/bento_entry.py": "entry", "app.py": "served"}


def lay_bento(root: Path, weights: str = "weights") -> Path:
    """Write one into a folder.

    Args:
        root: the folder.
        weights: what is in the file of the model.
    """
    texts = {"package/schema.json": "{}", "package/lock.txt": "numpy==2"}
    profile = {"package/profile/profile.json": "{}"}
    for path, text in {
        f"{MODEL}/model.joblib": weights,
        f"{MODEL}/model.yaml": "name: churn",
        "models/churn/latest": "abc123",
        "bento.yaml": "service: service:svc",
        "env/docker/entrypoint.sh": "exec",
        "src/bentofile.yaml": "service: service:svc",
        "src/service.py": "entry",
        "src/package/code/own.py": "own",
        **{f"src/{path}": text for path, text in {**texts, **profile}.items()},
        **{f"src/mlsandbox_serving/{path}": text for path, text in SERVED.items()},
    }.items():
        _write(root / path, text)
    (root / "env/docker/entrypoint.sh").chmod(0o755)
    served = "".join(f"{_digest(text)}  {path}\n" for path, text in sorted(SERVED.items()))
    manifest = {
        "model_tag": "churn:abc123",
        "files": [{"path": "model.joblib", "sha256": _digest(weights), "size": len(weights)}],
        "code": [{"path": "own.py", "sha256": _digest("own")}],
        "texts": {path: _digest(text) for path, text in texts.items()},
        "profile": {"files": {path: _digest(text) for path, text in profile.items()}},
        "served_code_digest": f"sha256:{_digest(served)}",
    }
    _write(root / "src/package/package.json", json.dumps(manifest))
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
