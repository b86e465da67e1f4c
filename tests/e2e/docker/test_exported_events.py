"""The exported drift service and Fluentd, run by Docker as their manifests say, beside a stack that has a model and Elasticsearch."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.project import load_project
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox_serving.contract import Dataset, Field, PackageFile
from support.docker_stack import DockerSandbox, docker
from support.manifests import Manifest
from support.pods import Pod
from support.waiting import wait_for

GROUP = 10_001
SECRET = {"elasticsearch": {"url": "http://elastic:hidden%2Fword@elasticsearch:9200\n"}}
DIGESTS = """
import hashlib, json, pathlib
files = pathlib.Path("/var/lib/sandbox/profiles/employment/v1").iterdir()
print(json.dumps({each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}))
"""
SEND = """
import datetime, json, socket, sys
import msgpack
record = {**json.loads(sys.argv[1]), "@timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat()}
connection = socket.create_connection(("127.0.0.1", 24224), timeout=30)
connection.sendall(msgpack.packb(["sandbox.employment", [[1767348000, record]], {"chunk": "Y2h1bms="}]))
print(msgpack.unpackb(connection.recv(1024)))
"""


@dataclass(frozen=True)
class Exported:
    """The overlay for production, with the images of a stack."""

    objects: list[Manifest]
    network: str
    volumes: Mapping[str, str]

    def pod(self, kind: str, name: str) -> Pod:
        """The pod of a workload; a StatefulSet's claims are volumes as others are."""
        (workload,) = (each for each in self.objects if each["kind"] == kind and each["metadata"]["name"].startswith(name))
        configs = {each["metadata"]["name"]: each["data"] for each in self.objects if each["kind"] == "ConfigMap"}
        template: dict[str, Any] = workload["spec"]["template"]
        names = [each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", ())]
        claimed = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in names]
        spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], *claimed]}
        return Pod({**template, "spec": spec}, configs, self.network, claims=self.volumes, secrets=SECRET)


@pytest.fixture(scope="module")
def exported(full: DockerSandbox) -> Iterator[Exported]:
    """With empty volumes that belong to the pods' group, as `fsGroup` makes them."""
    services = {"employment": "api-v1", "fluentd": "fluentd", "drift": "drift", "log-store": "elasticsearch-setup"}
    images = {key: full.inspect(service)["Config"]["Image"] for key, service in services.items()}
    options = ExportOptions(images=tuple(f"{key}={image}" for key, image in images.items()), allow_tags=True)
    objects = plain_objects(build_export(*export_inputs(load_project(full.root), options)), "production")
    volumes = {name: f"claim-{uuid.uuid4().hex[:8]}" for name in ("drift", "fluentd")}
    for volume in volumes.values():
        docker("volume", "create", volume)
        mount = f"--mount=type=volume,source={volume},target=/volume,volume-nocopy=true"
        code = f"import os; os.chown('/volume', 0, {GROUP}); os.chmod('/volume', 0o2775)"
        docker(
            "run", "--rm", "--pull=never", "--network=none", "--user=0:0", mount, "--entrypoint=python", images["employment"], "-c", code
        )
    try:
        yield Exported(objects, f"{full.name}_back", volumes)
    finally:
        docker("volume", "rm", *volumes.values())


def test_the_drift_service_must_have_the_image_s_profile(exported: Exported, full: DockerSandbox) -> None:
    """Without knowing the image's version, the service must compare with the profile that the image holds, byte for byte."""
    (package,) = (full.root / ".sandbox/bentoml/bentos").glob(f"*/v1/src/{PackageFile.PROFILE}")
    expected = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in package.iterdir()}
    with exported.pod("Deployment", "drift") as pod:
        status = pod.ask(f"{pod.url('drift')}/status").json
        found = pod.run("drift", "python", "-c", DIGESTS)

        (model,) = status["models"]
        assert (model["model"], model["version"], model["reference"]["problem"]) == ("employment", "v1", None)
        assert model["reference"]["rows"] > 0
        assert json.loads(found) == expected
        assert pod.probe("drift", "livenessProbe").status == 200


def test_fluentd_must_ask_the_elasticsearch_of_the_secret(exported: Exported, full: DockerSandbox) -> None:
    """What Fluentd acknowledges must be found in Elasticsearch, and the password be in no variable and no output."""
    name = uuid.uuid4().hex
    event = {Field.EVENT_ID: name, Field.EVENT_DATASET: Dataset.PREDICTION, Field.REQUEST_ID: name}
    with exported.pod("StatefulSet", "fluentd") as pod:
        assert pod.probe("fluentd", "readinessProbe").status == 200
        assert "Y2h1bms=" in pod.run("fluentd", "python", "-c", SEND, json.dumps(event))

        assert wait_for(lambda: full.events("--request-id", name), what="the event")
        assert "hidden" not in pod.logs("fluentd") + docker("inspect", f"{pod.name}-fluentd")


def test_the_setup_must_end_well(exported: Exported) -> None:
    """The Job must set up the Elasticsearch of the Secret, and not say the password."""
    with exported.pod("Job", "elasticsearch-setup") as pod:
        code, output = pod.finish("setup", f"container:{pod.name}-sandbox")

    assert code == 0, output
    assert "Elasticsearch at http://elasticsearch:9200 takes events" in output
    assert "hidden" not in output
