"""The rules that exported manifests are judged by: each must object to what it is about."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Final

import pytest

from mlsandbox.render.kubernetes.plain import plain_objects
from support import kubernetes_rules as rules
from support.exported import exported
from support.kubernetes_rules import RULES, Rule
from support.manifests import Manifest, of_kind, pod, pod_labels

Objects = list[Manifest]


def _objects() -> Objects:
    export, _ = exported("one-model", chosen=("api-keys", "ingress"))
    return copy.deepcopy(plain_objects(export, "production"))


def _deployment(objects: Objects) -> Manifest:
    return of_kind(objects, "Deployment")[0]


def _server(objects: Objects) -> Manifest:
    one: Manifest = pod(_deployment(objects))["containers"][0]
    return one


def _spec(objects: Objects, kind: str) -> Manifest:
    spec: Manifest = of_kind(objects, kind)[0]["spec"]
    return spec


def _without(objects: Objects, kind: str) -> None:
    objects[:] = [each for each in objects if each["kind"] != kind or each["metadata"]["name"] == "default-deny"]


def _stateful(objects: Objects) -> None:
    each = copy.deepcopy(_deployment(objects))
    each["kind"] = "StatefulSet"
    each["spec"]["serviceName"] = "nobody"
    objects.append(each)


BREAKS: Final[dict[Rule, Callable[[Objects], object]]] = {
    rules.container_resources: lambda found: _server(found)["resources"]["limits"].pop("cpu"),
    rules.container_ephemeral_storage_request_and_limit: lambda found: _server(found)["resources"]["requests"].pop("ephemeral-storage"),
    rules.container_image_pull_policy: lambda found: _server(found).update(imagePullPolicy="IfNotPresent"),
    rules.container_security_context_user_group_id: lambda found: pod(_deployment(found))["securityContext"].update(runAsUser=1000),
    rules.container_security_context_readonlyrootfilesystem: lambda found: _server(found)["securityContext"].pop("readOnlyRootFilesystem"),
    rules.container_seccomp_profile: lambda found: pod(_deployment(found))["securityContext"].pop("seccompProfile"),
    rules.pod_networkpolicy: lambda found: _without(found, "NetworkPolicy"),
    rules.pod_probes: lambda found: _server(found).pop("livenessProbe"),
    rules.pod_probes_identical: lambda found: _server(found).update(livenessProbe=_server(found)["readinessProbe"]),
    rules.deployment_has_poddisruptionbudget: lambda found: _without(found, "PodDisruptionBudget"),
    rules.deployment_has_host_podantiaffinity: lambda found: pod(_deployment(found)).pop("affinity"),
    rules.deployment_replicas: lambda found: _spec(found, "HorizontalPodAutoscaler").update(minReplicas=1),
    rules.horizontalpodautoscaler_has_target: lambda found: _spec(found, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="other"),
    rules.pod_topology_spread_constraints: lambda found: pod(_deployment(found))["topologySpreadConstraints"].pop(),
    rules.statefulset_has_servicename: _stateful,
    rules.service_targets_pod: lambda found: _spec(found, "Service")["ports"][0].update(targetPort="other"),
    rules.ingress_targets_service: lambda found: _without(found, "Service"),
    rules.label_values: lambda found: _deployment(found)["metadata"]["labels"].update(note="no label: it has spaces"),
    rules.env_var_secret: lambda found: _server(found).setdefault("env", []).append({"name": "API_TOKEN", "value": "abc"}),
    rules.invalid_target_ports: lambda found: _server(found)["ports"][0].update(name="much_too_long_a_name"),
    rules.probe_ports: lambda found: _server(found)["livenessProbe"]["httpGet"].update(port="other"),
    rules.mismatching_selector: lambda found: pod_labels(_deployment(found)).clear(),
    rules.non_existent_service_account: lambda found: _without(found, "ServiceAccount"),
    rules.pdb_of_workload: lambda found: _spec(found, "PodDisruptionBudget").pop("unhealthyPodEvictionPolicy"),
    rules.privileges: lambda found: _server(found)["securityContext"].update(allowPrivilegeEscalation=True),
    rules.sensitive_host_mounts: lambda found: pod(_deployment(found))["volumes"].append({"name": "all", "hostPath": {"path": "/"}}),
    rules.automount_service_account_token: lambda found: pod(_deployment(found)).update(automountServiceAccountToken=True),
    rules.metadata_and_instance_mismatched: lambda found: _deployment(found)["metadata"]["labels"].pop("app.kubernetes.io/instance"),
    rules.references: lambda found: _without(found, "ConfigMap"),
    rules.names: lambda found: _deployment(found)["metadata"].update(name="Not_A_Name"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_can_fail(rule: Rule) -> None:
    """A rule must say nothing of what is exported, and something as soon as that is spoilt."""
    objects = _objects()
    assert list(rule(objects)) == []

    BREAKS[rule](objects)

    assert list(rule(objects)) != []


def test_a_port_may_be_a_number_that_a_container_has() -> None:
    """A Service finds a port by its number too, and only one that is there."""
    objects = _objects()
    (port,) = [each for each in _spec(objects, "Service")["ports"] if each["name"] == "shipper"]
    assert isinstance(port["targetPort"], int)

    port["targetPort"] += 1

    assert list(rules.service_targets_pod(objects)) != []
