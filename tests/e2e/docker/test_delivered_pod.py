"""A package on a volume: filled by the exported Job and served by the exported pod, both run by Docker as their manifests say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.project import load_project
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox_serving.contract import Deliver
from support.docker_stack import DockerSandbox, docker
from support.manifests import Manifest
from support.pods import Pod
from support.sandbox import post

CLAIM = "employment-model"
GROUP = 10_001
MODEL = "import pathlib; print(*pathlib.Path('/volume').glob('*/models/employment/*/model.joblib'))"


@dataclass(frozen=True)
class Delivery:
    """The exported Job and pods of the example's model, and the volume that is their claim."""

    objects: list[Manifest]
    image: str
    network: str
    volume: str

    def job(self) -> Pod:
        return self._pod("Job", "none")

    def pod(self) -> Pod:
        return self._pod("Deployment", self.network)

    def as_root(self, code: str) -> str:
        """What a program with all rights to the volume writes."""
        mount = f"--mount=type=volume,source={self.volume},target=/volume,volume-nocopy=true"
        return docker("run", "--rm", "--pull=never", "--network=none", "--user=0:0", mount, "--entrypoint=python", self.image, "-c", code)

    def _pod(self, kind: str, network: str) -> Pod:
        (workload,) = (each for each in self.objects if each["kind"] == kind and each["metadata"]["name"].startswith("employment"))
        configs = {each["metadata"]["name"]: each["data"] for each in self.objects if each["kind"] == "ConfigMap"}
        return Pod(workload["spec"]["template"], configs, network, claims={CLAIM: self.volume})


@pytest.fixture
def delivery(full: DockerSandbox) -> Iterator[Delivery]:
    """With an empty volume that belongs to the pods' group, as `fsGroup` makes it."""
    image = full.inspect("api-v1")["Config"]["Image"]
    pushed = f"registry.example.com/employment@sha256:{'a' * 64}"
    options = ExportOptions(images=(f"employment={pushed}",), versions=("employment=v1",), chosen=("model-pvc",))
    exported = plain_objects(build_export(*export_inputs(load_project(full.root), options)), "production")
    objects = json.loads(json.dumps(exported).replace(pushed, image))  # which no registry has given a digest
    volume = f"claim-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", volume)
    try:
        made = Delivery(objects, image, f"{full.name}_back", volume)
        made.as_root(f"import os; os.chown('/volume', 0, {GROUP}); os.chmod('/volume', 0o2770)")
        yield made
    finally:
        docker("volume", "rm", "--force", volume)


def test_a_filled_volume_must_be_served(delivery: Delivery, full: DockerSandbox, row: dict[str, object]) -> None:
    """The Job must fill the volume once, and the pod must serve from it what the stack serves."""
    code, output = delivery.job().finish("fill")
    assert code == 0, output
    again, told = delivery.job().finish("fill")
    assert (again, "is there already" in told) == (0, True), told

    with delivery.pod() as pod:
        mounted = pod.run("server", "python", "-c", "import os; print(os.path.ismount('/home/bentoml/bento'))")
        assert mounted.strip() == "True"
        ready = pod.probe("server", "readinessProbe").json
        assert (ready["version"], ready["golden"]["rows"]) == ("v1", ready["golden"]["bit_equal"])
        answer = pod.ask(f"{pod.url('server')}/predict", row)
        status, of_stack, _ = post(f"{full.url}/predict", row)
        assert (answer.status, status) == (200, 200)
        assert answer.json["predictions"] == of_stack["predictions"]


def test_a_changed_volume_must_stop_the_pod_and_the_job(delivery: Delivery) -> None:
    """A model that was changed on the volume must be loaded by no pod, and repaired by no Job."""
    assert delivery.job().finish("fill")[0] == 0
    model = delivery.as_root(MODEL).strip()
    delivery.as_root(f"open({model!r}, 'ab').write(b'more')")

    for pod, container in ((delivery.pod(), "verify"), (delivery.job(), "fill")):
        code, output = pod.finish(container)
        assert code == Deliver.TAMPERED, output
        assert "model.joblib is not what was packaged" in output
