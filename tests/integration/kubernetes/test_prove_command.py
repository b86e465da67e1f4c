"""`sandbox export k8s --prove`, by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.exported import image
from support.kubernetes import CONTEXT, serving
from support.sandbox import Sandbox

PROJECT = 'name = "toys"\n\n[models.toy]\npath = "toy.joblib"\n'
GROUPS = ["gateway.networking.k8s.io", "monitoring.coreos.com", "keda.sh", "external-secrets.io", "bitnami.com"]


@pytest.fixture
def clone(tmp_path: Path) -> Sandbox:
    """A project with nothing but sandbox.toml."""
    (tmp_path / "home").mkdir()
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys/sandbox.toml").write_text(PROJECT)
    return Sandbox(tmp_path / "toys", tmp_path / "home", extra={"KUBECONFIG": str(tmp_path / "nothing")})


def test_a_proof_writes_nothing_and_says_what_was_seen(clone: Sandbox, tmp_path: Path) -> None:
    """A proof must leave the project alone, be one document, and end with 0 when the cluster takes all of it."""
    with serving(tmp_path, groups=GROUPS) as server:
        known = Sandbox(clone.root, clone.home, extra={"KUBECONFIG": str(server.config)})
        words = ("export", "k8s", "--image", image("toy"), "--prove", "--context", CONTEXT)
        document = known.run(*words, "-o", "json").ok().json
        text = known.run(*words).ok().out

    assert (document["kind"], document["findings"], document["applied"]) == ("Proof", [], 0)
    assert document["checked"] > 20
    assert "not proven" in text
    assert [path.name for path in clone.root.iterdir()] == ["sandbox.toml"]


def test_no_cluster_is_no_proof(clone: Sandbox) -> None:
    """Without a cluster it must end with 4 and say how to look for one."""
    refused = clone.run("export", "k8s", "--image", image("toy"), "--prove")

    assert refused.code == 4
    assert "kubectl" in refused.err
