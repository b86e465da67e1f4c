"""Packages that were changed on purpose, with digests that fit: what only shows once they are served."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlsandbox.packaging.inspect import ModelFile, digest_of
from mlsandbox_serving.contract import PackageFile


def break_module(bento: Path, name: str, code: str = "raise RuntimeError('broken on purpose')\n") -> None:
    """Put other code into one module of a package's served code; as it comes, it fails at import."""
    served = bento / "src" / "mlsandbox_serving"
    module = served / name
    module.chmod(0o644)
    module.write_text(code)
    files = [file for file in sorted(served.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    listed = [ModelFile(file.relative_to(served).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest(), 0) for file in files]
    _change(bento, {"served_code_digest": digest_of(listed)})


def swap_golden_answers(bento: Path, one: str, other: str) -> None:
    """Have a package say that its model answered the one where it answered the other."""
    golden = bento / "src" / PackageFile.GOLDEN
    content = json.loads(golden.read_text())
    content["predictions"] = [other if each == one else one for each in content["predictions"]]
    golden.chmod(0o644)
    golden.write_text(json.dumps(content))
    texts = json.loads((bento / "src" / PackageFile.MANIFEST).read_text())["texts"]
    _change(bento, {"texts": {**texts, PackageFile.GOLDEN: hashlib.sha256(golden.read_bytes()).hexdigest()}})


def _change(bento: Path, facts: dict[str, Any]) -> None:
    manifest = bento / "src" / PackageFile.MANIFEST
    content = json.loads(manifest.read_text())
    manifest.chmod(0o644)
    manifest.write_text(json.dumps({**content, **facts}))
