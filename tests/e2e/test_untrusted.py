"""A pickle that would run something is refused without being loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from support.sandbox import Sandbox

EVIL = """
import pickle, pathlib
class Evil:
    def __reduce__(self):
        import os
        return os.system, ("touch ran",)
pathlib.Path("{path}").write_bytes(pickle.dumps(Evil()))
"""


def test_init_must_refuse_a_malicious_pickle(make_sandbox: Callable[..., Sandbox]) -> None:
    """`sandbox init --from` of a pickle that calls os.system must name that and run nothing."""
    sandbox = make_sandbox()
    sandbox.script(EVIL.format(path="model.pkl"))

    result = sandbox.run("init", "--from", "model.pkl")

    assert result.code in (1, 2)
    assert "system" in result.err
    assert not (sandbox.root / "ran").exists()
    assert not (sandbox.root / "sandbox.toml").exists()


def test_up_must_refuse_a_malicious_pickle(make_sandbox: Callable[..., Sandbox]) -> None:
    """`sandbox up` of a pickle that calls os.system must name that, run nothing and leave nothing."""
    sandbox = make_sandbox()
    sandbox.script(EVIL.format(path="model.joblib"))

    result = sandbox.run("up", "model.joblib")

    assert result.code in (1, 2)
    assert "system" in result.err
    assert not (sandbox.root / "ran").exists()
    sandbox.gone()


def test_up_must_refuse_a_saved_project_whose_model_was_swapped(saved: Sandbox) -> None:
    """A malicious pickle put in the place of a saved model must be refused without being loaded."""
    saved.script(EVIL.format(path="churn/model.joblib"))

    result = saved.run("up")

    assert result.code == 1
    assert not (saved.root / "ran").exists()
    saved.gone()


def test_up_must_refuse_a_package_whose_model_was_swapped(saved: Sandbox) -> None:
    """A malicious pickle put in the place of a packaged model must be refused without being loaded."""
    (model,) = (saved.root / ".sandbox" / "bentoml" / "models").rglob("model.joblib")
    model.chmod(0o644)
    saved.script(EVIL.format(path=str(model)))

    result = saved.run("up")

    assert result.code == 1
    assert "digest" in result.err
    assert not (saved.root / "ran").exists()
    saved.gone()


def test_up_must_refuse_a_swapped_model_whose_digests_were_swapped_too(saved: Sandbox) -> None:
    """A malicious pickle whose digest was also written into package.json must be refused without being loaded."""
    (model,) = (saved.root / ".sandbox" / "bentoml" / "models").rglob("model.joblib")
    (manifest,) = (saved.root / ".sandbox" / "bentoml" / "bentos").rglob("package.json")
    before = hashlib.sha256(model.read_bytes()).hexdigest()
    model.chmod(0o644)
    saved.script(EVIL.format(path=str(model)))
    after = hashlib.sha256(model.read_bytes()).hexdigest()
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace(before, after))

    result = saved.run("up")

    assert result.code == 1
    assert "system" in result.err
    assert not (saved.root / "ran").exists()
    saved.gone()
