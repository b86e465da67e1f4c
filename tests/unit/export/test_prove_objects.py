"""Exported objects as a proof needs them."""

from __future__ import annotations

from typing import Any

import pytest

from mlsandbox.actions.prove_objects import (
    admission_labels,
    light,
    needed_secrets,
    placed,
    planned_objects,
    pod_of,
    release_of,
    way_in,
)
from mlsandbox.actions.prove_ready import is_ready, pod_reasons
from mlsandbox.render.kubernetes.plain import plain_objects
from support.exported import exported

SPACE = "sandbox-prove-00000000"


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == kind]


def test_all_overlays_and_components_are_planned_once() -> None:
    """Every object of every overlay must be there, also of components that none has, and nothing twice in one namespace."""
    export, _ = exported("two-models")
    planned = planned_objects(export)
    names = [(each.manifest["kind"], each.manifest["metadata"]["name"]) for each in planned]

    for overlay in export.overlays:
        for each in plain_objects(export, overlay.name):
            assert (each["kind"], each["metadata"]["name"]) in names
    unused = {each.origin for each in planned if not each.used}
    assert {"keda", "servicemonitor", "httproute"} <= unused
    assert all(each.used for each in planned if each.manifest["kind"] == "Namespace")


def test_what_reaches_out_of_the_namespace_is_not_applied() -> None:
    """Routes, rules, dashboards and secrets of others must stay out of a live cluster; what pods need must go in, lightly."""
    export, _ = exported(
        "one-model", whole=True, left_out=("keda",), chosen=("loadbalancer", "api-keys", "servicemonitor", "grafana-dashboards")
    )
    kept, left = light(plain_objects(export, "production"), SPACE)

    assert "ServiceMonitor" in left
    assert any("data sources" in each for each in left)
    assert {each["metadata"]["namespace"] for each in kept} == {SPACE}
    assert not of_kind(kept, "Namespace")
    assert all(each["spec"]["minReplicas"] == 1 for each in of_kind(kept, "HorizontalPodAutoscaler"))
    assert all(each["spec"].get("type", "ClusterIP") == "ClusterIP" for each in of_kind(kept, "Service"))
    assert of_kind(kept, "ServiceAccount") == kept[: len(of_kind(kept, "ServiceAccount"))]


def test_nothing_is_applied_that_others_in_the_cluster_load() -> None:
    """What a Grafana's sidecar, a Prometheus Operator or a gateway would take up must be in no proof, whatever is exported."""
    export, _ = exported("two-models", whole=True)
    objects = plain_objects(export, "production")
    kept, _ = light(objects, SPACE)
    taken_up = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute", "Ingress", "ScaledObject"}

    def by_grafana(each: dict[str, Any]) -> bool:
        return any(label.startswith("grafana_") for label in each["metadata"].get("labels", {}))

    assert len([each for each in objects if by_grafana(each)]) > 2
    assert [each["metadata"]["name"] for each in kept if by_grafana(each)] == []
    assert {each["kind"] for each in kept} & taken_up == set()


def test_secrets_that_pods_need_are_known_with_their_keys() -> None:
    """A Secret that nobody makes must be made, with the files that pods read of it."""
    export, _ = exported("one-model", whole=True, chosen=("api-keys", "logging"))

    assert needed_secrets(plain_objects(export, "production")) == {"api-keys": ["api-keys"], "elasticsearch": ["url"]}


def test_pods_are_made_of_templates_alone() -> None:
    """A pod must be the template's, in the namespace; other kinds have none."""
    export, _ = exported("one-model")
    objects = plain_objects(export, "dev")
    (deployment,) = of_kind(objects, "Deployment")
    pod = pod_of(deployment, SPACE)

    assert pod is not None
    assert pod["spec"] == deployment["spec"]["template"]["spec"]
    assert pod["metadata"]["namespace"] == SPACE
    assert [pod_of(each, SPACE) for each in objects if each["kind"] == "Service"] == [None]


def test_the_namespace_has_the_same_admission() -> None:
    """The throw-away namespace must refuse what the exported one refuses."""
    export, _ = exported("one-model")
    labels = admission_labels(plain_objects(export, "dev"))

    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}


def test_the_way_in_opens_the_ports_of_one_service_alone() -> None:
    """The proxy must reach what a Service has, and nothing else."""
    export, _ = exported("one-model")
    (service,) = of_kind(plain_objects(export, "dev"), "Service")
    policy = way_in(service, SPACE)

    assert policy["spec"]["podSelector"] == {"matchLabels": service["spec"]["selector"]}
    assert {each["port"] for each in policy["spec"]["ingress"][0]["ports"]} == {each["targetPort"] for each in service["spec"]["ports"]}


def test_an_object_without_a_namespace_stays_as_it_is() -> None:
    """What lies in no namespace must get none."""
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "model"}}

    assert placed(volume, SPACE) == volume


@pytest.mark.parametrize(("text", "release"), [("v1.36.1-gke.100", (1, 36)), ("v1.29.0+k3s1", (1, 29)), ("", None), (None, None)])
def test_a_release_is_read_of_what_clusters_say(text: object, release: tuple[int, int] | None) -> None:
    """Vendors write more behind it."""
    assert release_of(text) == release


def test_a_workload_is_ready_when_all_of_its_newest_pods_are() -> None:
    """Old pods and old generations must not count."""
    status = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}
    workload: dict[str, Any] = {"kind": "Deployment", "metadata": {"generation": 2}, "spec": {}, "status": status}

    assert is_ready(workload)
    assert not is_ready({})
    assert not is_ready({**workload, "spec": {"replicas": 2}})
    assert not is_ready({**workload, "status": {**status, "observedGeneration": 1}})
    assert not is_ready({**workload, "status": {**status, "updatedReplicas": 0}})
    assert is_ready({"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}})


def test_reasons_of_a_pod_name_its_containers() -> None:
    """What is wrong must be told by container; what is normal must not."""
    status = {
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}],
        "initContainerStatuses": [{"name": "shipper", "ready": True, "state": {"running": {}}}],
        "containerStatuses": [
            {
                "name": "server",
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            },
            {"name": "other", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}},
        ],
    }

    assert list(pod_reasons({"status": status})) == [
        ("", "Unschedulable: no room"),
        ("server", "CrashLoopBackOff: back-off; it ended with 137 (OOMKilled)"),
    ]
