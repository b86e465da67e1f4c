"""`sandbox pull`: what it gets, and that `up` has nothing left to fetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.docker_rig import DockerRig
from support.docker_stack import DockerSandbox
from support.images import remove_images

PREDICTOR = "class Predictor:\n    def predict(self, frame):\n        return frame.iloc[:, 0]\n"
SETTINGS = """\
name = "imagetest-pull"

[models.echo]
path = "predict.py:Predictor"
reference = "rows.csv"

[stack]
profile = "lite"
exclude = ["drift", "grafana"]

"""


@pytest.fixture
def project(docker_rig: DockerRig, tmp_path: Path) -> Iterator[DockerSandbox]:
    """A project that was never packaged, on the rig's images."""
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "home").mkdir()
    (root / "predict.py").write_text(PREDICTOR)
    (root / "rows.csv").write_text("a,b\n" + "".join(f"{number},{number}.5\n" for number in range(20)))
    (root / "sandbox.toml").write_text(SETTINGS + docker_rig.overrides())
    yield DockerSandbox(root, tmp_path / "home", extra={"SANDBOX_EXCLUDE": "drift,grafana"})
    remove_images(root)


def test_afterwards_up_has_nothing_to_fetch(project: DockerSandbox) -> None:
    """The first pull must package and build and say so, the second do nothing, and `up` then only start."""
    before = project.run("pull", "--dry-run", "-o", "json").ok().json
    first = project.run("pull", "--progress", "plain").ok()
    again = project.run("pull", "-o", "json").ok()
    after = project.run("pull", "--dry-run").ok().out
    up = project.run("up", "--dry-run", "-o", "json").ok().json

    assert [step["action"] for step in before["plan"]] == ["package", "fetch"]
    assert "Packaged echo v1" in first.err
    assert "Built the image of echo v1" in first.err
    assert "sandbox up" in first.out
    assert "Built" not in again.err
    assert {service for supply in again.json["supplies"] for service in supply["services"]} == {
        *("api-v1", "gateway", "shipper", "log-store", "prometheus", "alertmanager"),
    }
    assert "do nothing" in after
    assert {step["action"] for step in up["plan"]} == {"start"}


def test_what_cannot_be_pulled_is_an_error_with_a_next_step(project: DockerSandbox) -> None:
    """An image that no registry gives must be named, with the exit code of a failure, and nothing be started."""
    settings = project.root / "sandbox.toml"
    settings.write_text(settings.read_text().replace('prometheus = "sandbox-test', 'prometheus = "127.0.0.1:9/sandbox-test'))
    result = project.run("pull")

    assert result.code == 1
    assert "error[IMAGE_PULL_FAILED]: the image 127.0.0.1:9/sandbox-test/prometheus" in result.err
    assert "stack.registry" in result.err
