"""`sandbox export`, in the test's own process."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.cli import main

from .conftest import Ran

Run = Callable[..., Ran]
IMAGE = f"registry.example.com/team/churn@sha256:{'a' * 64}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a project that was never up."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "sandbox.toml").write_text('name = "shop"\n[models.churn]\npath = "churn.joblib"\n')
    monkeypatch.chdir(root)
    return root


class Interrupted(io.StringIO):
    """Output during which somebody presses Ctrl-C."""

    def write(self, text: str) -> int:
        signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_what_was_written_is_not_interrupted(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C once all was written must not make a failure of what is told as a success."""
    said = Interrupted()
    monkeypatch.setattr(sys, "stdout", said)

    assert main(("export", "k8s", "--image", IMAGE)) == 0
    assert "Wrote" in said.getvalue()
    assert (project / "k8s/README.md").is_file()


def test_a_kept_overlay_is_shown_as_it_is(sandbox: Run, project: Path) -> None:
    """Of an overlay that was changed by hand its own namespace and components must be shown, and what these leave to do."""
    words = ("export", "k8s", "--image", IMAGE, "--with", "keda")
    before = sandbox(*words, "-o", "json").json
    for overlay in ("dev", "staging", "production"):
        file = project / f"k8s/overlays/{overlay}/kustomization.yaml"
        file.write_text("namespace: mine\ncomponents:\n- ../../components/prometheusrule\n- ../own/\n")
    (project / "k8s/overlays/staging/kustomization.yaml").write_text("namespace: [")
    after = sandbox(*words, "-o", "json").json
    said = [" ".join(line.split()) for line in sandbox(*words).out.splitlines()]

    assert after["overlays"] == {name: ["prometheusrule", "../own"] for name in ("dev", "production")}
    assert after["namespaces"] == {"dev": "mine", "production": "mine"}
    assert (after["yours"], after["unreadable"]) == (["dev", "production"], ["staging"])
    assert any("KEDA" in text for text in before["todo"])
    assert not any("KEDA" in text for text in after["todo"])
    assert "dev yours: namespace mine · prometheusrule, ../own" in said
    assert "staging yours: not readable" in said
