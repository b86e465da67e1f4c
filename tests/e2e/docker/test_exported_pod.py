"""A model's exported pod, run by Docker as its manifest says, beside a stack whose Fluentd and drift service take its events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.project import load_project
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox_serving.contract import PackageFile
from support.docker_stack import DockerSandbox
from support.pods import Pod
from support.sandbox import post
from support.waiting import wait_for

DOMAIN = "employment.models.svc.cluster.local"


@dataclass(frozen=True)
class Golden:
    """What the package says that the model answers."""

    columns: dict[str, list[object]]
    predictions: list[object]
    probabilities: list[list[float]]


def exported(full: DockerSandbox) -> Pod:
    """The pod of the example's model, as the overlay for production has it, with the images of a stack and in its network."""
    images = {"employment": full.inspect("api-v1")["Config"]["Image"], "fluentd": "not-run", "log-store": "not-run"}
    options = ExportOptions(images=tuple(map("=".join, images.items())), versions=("employment=v1",), allow_tags=True)
    export = build_export(*export_inputs(load_project(full.root), options))
    objects = plain_objects(export, "production")
    (deployment,) = (each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "employment")
    configs = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    return Pod(deployment["spec"]["template"], configs, f"{full.name}_back", aliases=[DOMAIN])


@pytest.fixture(scope="module")
def pod(full: DockerSandbox) -> Iterator[Pod]:
    with exported(full) as found:
        yield found


@pytest.fixture(scope="module")
def golden(full: DockerSandbox) -> Golden:
    """The rows on which every environment must answer as the training did."""
    (path,) = (full.root / ".sandbox/bentoml/bentos").glob(f"*/v1/src/{PackageFile.GOLDEN}")
    found = json.loads(path.read_text())
    return Golden(found["columns"], found["predictions"], found["probabilities"])


PROBES = [
    *(("server", kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe")),
    *(("shipper", kind) for kind in ("startupProbe", "livenessProbe")),
]


@pytest.mark.parametrize(("container", "kind"), PROBES)
def test_probes_must_be_answered(pod: Pod, container: str, kind: str) -> None:
    """Each probe must be answered with 200, asked from outside of the pod by its address."""
    answer = pod.probe(container, kind)

    assert answer.status == 200, answer.text


def test_the_version_must_be_that_of_the_image(pod: Pod) -> None:
    """The pod must say which version it serves, and that its golden rows came out as they should."""
    ready = pod.probe("server", "readinessProbe").json

    assert (ready["model"], ready["version"], ready["code"]) == ("employment", "v1", None)
    assert ready["golden"]["rows"] == ready["golden"]["bit_equal"] > 0


def test_golden_rows_must_be_answered_alike(pod: Pod, full: DockerSandbox, golden: Golden) -> None:
    """The package's golden rows must be answered as the package says, and as the stack answers them."""
    answer = pod.ask(f"{pod.url('server')}/predict", {"columns": golden.columns})
    status, of_stack, _ = post(f"{full.url}/predict", {"columns": golden.columns})

    assert (answer.status, status) == (200, 200)
    assert answer.json["predictions"] == golden.predictions == of_stack["predictions"]
    assert answer.json["probabilities"] == of_stack["probabilities"]


@pytest.mark.parametrize("name", [DOMAIN, "employment", "employment.models", "10.0.0.1", "predict.example.com"])
def test_every_name_must_be_answered(pod: Pod, row: dict[str, object], name: str) -> None:
    """A request must be answered whatever name of the Service or of an ingress it was sent to."""
    answer = pod.ask(f"{pod.url('server')}/predict", row, host=name)

    assert answer.status == 200, answer.text


def test_its_name_must_be_found(pod: Pod, row: dict[str, object]) -> None:
    """A client that knows the Service's full name alone must be answered."""
    number = pod.containers["server"]["ports"][0]["containerPort"]

    assert pod.ask(f"http://{DOMAIN}:{number}/predict", row).status == 200


def test_it_must_run_as_nobody_of_the_image(pod: Pod) -> None:
    """Both containers must run as the manifest's user and group, and be unable to write to their root."""
    for container in pod.containers:
        assert pod.run(container, "id", "-u").strip() == "10001"
        assert pod.run(container, "id", "-g").strip() == "10001"
        probe = "import os; print([each for each in ('/', '/home/bentoml', '/etc') if os.access(each, os.W_OK)])"
        assert pod.run(container, "python", "-c", probe).strip() == "[]"


def test_the_image_must_have_what_an_old_hook_needs(pod: Pod) -> None:
    """Before Kubernetes 1.30 a hook cannot sleep by itself: the image must have the program."""
    assert pod.run("server", "sleep", "0") == ""


def test_an_event_must_arrive(pod: Pod, full: DockerSandbox, row: dict[str, object]) -> None:
    """An answer's event must reach the log by the sidecar."""
    answer = pod.ask(f"{pod.url('server')}/predict", row)

    event = wait_for(lambda: full.events("--request-id", answer.headers["x-request-id"]), what="the event")[0]

    assert event["sandbox.predictions"] == answer.json["predictions"]
    assert (event["sandbox.model"], event["sandbox.version"]) == ("employment", "v1")


def test_a_deleted_pod_must_lose_nothing(full: DockerSandbox, row: dict[str, object]) -> None:
    """The server must end well within its grace, and its events be delivered by the sidecar, which ends after it."""
    with exported(full) as deleted:
        deleted.freeze("shipper")  # so that everything is still to be delivered
        answers = [deleted.ask(f"{deleted.url('server')}/predict", row) for _ in range(5)]
        assert [each.status for each in answers] == [200] * 5
        grace = deleted.spec["terminationGracePeriodSeconds"]

        assert deleted.end("server", grace) == 0, deleted.logs("server")
        deleted.thaw("shipper")
        assert deleted.end("shipper", grace) == 0, deleted.logs("shipper")

    for answer in answers:
        request = answer.headers["x-request-id"]
        assert wait_for(lambda each=request: full.events("--request-id", each), what=f"the event of {request}")  # type: ignore[misc]  # mypy cannot infer a lambda with a default
