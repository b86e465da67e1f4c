"""`sandbox export k8s --to-registry`: from a trained model to images in a registry and manifests that name their digests."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from support.docker_rig import required
from support.docker_stack import DockerSandbox, docker
from support.image_registry import PROGRAM, is_installed, registry

MISSING = not is_installed() and not required()  # where Docker is required this program is too
pytestmark = pytest.mark.skipif(MISSING, reason=f"needs {PROGRAM} (Debian's package of that name)")


def test_images_are_made_pushed_and_named_by_digest(make_docker: Callable[..., DockerSandbox], tmp_path: Path) -> None:
    """The registry must have all images under the digests in the manifests; the command that is told must write the same without Docker."""
    sandbox = make_docker("e2e-push")
    with registry(tmp_path / "registry") as address:
        planned = sandbox.run("export", "k8s", "--to-registry", f"{address}/team", "--dry-run", "-o", "json").ok().json
        assert not (sandbox.root / "k8s").exists()
        result = sandbox.run("export", "k8s", "--to-registry", f"{address}/team", "-o", "json", timeout=900).ok().json
        for image in result["images"].values():
            docker("pull", "--quiet", image)
            docker("image", "rm", image)
    without = DockerSandbox(sandbox.root, sandbox.home, extra={**sandbox.extra, "DOCKER_HOST": "unix:///no/docker.sock"})
    again = without.run(*shlex.split(result["command"])[1:], "--check")

    assert set(result["images"]) == {"employment", "drift", "fluentd", "log-store"}
    assert result["images"]["employment"].startswith(f"{address}/team/{sandbox.name}-employment:v1@sha256:")
    assert [step["subject"] for step in planned["plan"] if step["action"] == "push"] == [
        f"{address}/team/{sandbox.name}-employment",
        *(f"{address}/team/{name}" for name in ("drift", "fluentd", "log-store")),
    ]
    assert result["overlays"]["production"] == ["drift", "logging"]
    assert again.code == 0, again
    assert address not in docker("image", "ls", "--format", "{{.Repository}}")
