"""A service that cannot start: the command ends soon, and shows what the service wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mlsandbox.packaging.inspect import ModelFile, digest_of
from support.sandbox import Sandbox


def break_module(bento: Path, name: str) -> None:
    """Make one module of a package's served code fail at import, with digests that fit."""
    served = bento / "src" / "mlsandbox_serving"
    module = served / name
    module.chmod(0o644)
    module.write_text("raise RuntimeError('broken on purpose')\n")
    files = [file for file in sorted(served.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    listed = [ModelFile(file.relative_to(served).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest(), 0) for file in files]
    manifest = bento / "src" / "package" / "package.json"
    content = json.loads(manifest.read_text())
    content["served_code_digest"] = digest_of(listed)
    manifest.chmod(0o644)
    manifest.write_text(json.dumps(content))


def test_a_service_that_cannot_start_must_end_up_at_once_and_show_its_last_lines(saved: Sandbox) -> None:
    """A worker that fails at import must end `up` without waiting for the deadline, with the failure's own lines and nothing left."""
    break_module(saved.root / ".sandbox" / "bentoml" / "bentos" / "churn" / "v1", "golden.py")

    result = saved.run("up", timeout=60)

    assert result.code == 1
    assert "broken on purpose" in result.err
    assert "golden.py" in result.err
    saved.gone()
