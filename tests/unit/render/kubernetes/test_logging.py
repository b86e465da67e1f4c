"""Fluentd and Elasticsearch in a cluster: where events wait, where they go, and that nobody reads a password in a manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlsandbox.assets import asset
from mlsandbox.render.kubernetes.bundle import Bundle, Manifest
from mlsandbox.render.kubernetes.elasticsearch import elasticsearch_bundle
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.fluentd import logging_bundle
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import Env
from support.exported import exported, image, inputs
from support.manifests import containers, named, of_kind, pod, workloads

CHOSEN = ("drift", "logging")


def stack(**changes: Any) -> tuple[StackSpec, ExportFacts]:
    spec, facts = inputs("two-models", whole=True)
    return spec, replace(facts, **changes)


def overlay(name: str, **changes: Any) -> list[Manifest]:
    export, _ = exported("two-models", whole=True, **{"chosen": CHOSEN, **changes})
    return plain_objects(export, name)


def one(objects: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"].startswith(name)]
    return found


def environment(objects: list[Manifest], workload: Manifest) -> dict[str, str]:
    """The plain variables of its first container."""
    (container,) = pod(workload)["containers"]
    data = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    found = {name: value for source in container.get("envFrom", []) for name, value in data[source["configMapRef"]["name"]].items()}
    return {**found, **{each["name"]: each["value"] for each in container.get("env", []) if "value" in each}}


def test_fluentd_has_the_sandbox_s_configuration() -> None:
    """The files must be those of the sandbox, where Fluentd is told to read them."""
    objects = overlay("production")
    fluentd = one(objects, "StatefulSet", "fluentd")
    (container,) = pod(fluentd)["containers"]
    files = one(objects, "ConfigMap", "fluentd-files")["data"]

    assert files == {name: asset(f"fluentd/{name}") for name in ("fluent.conf", "elasticsearch.conf")}
    assert container["args"] == ["-c", "/etc/sandbox/fluent.conf"]
    assert {"name": "config", "mountPath": "/etc/sandbox", "readOnly": True} in container["volumeMounts"]


def test_events_wait_on_a_volume() -> None:
    """What Fluentd has acknowledged must outlive its pod, and be that pod's user's to write."""
    objects = overlay("production")
    fluentd = one(objects, "StatefulSet", "fluentd")
    (claim,) = fluentd["spec"]["volumeClaimTemplates"]
    folder = environment(objects, fluentd)["FLUENTD_BUFFER_DIR"]

    assert fluentd["spec"]["replicas"] == 1
    assert {"name": claim["metadata"]["name"], "mountPath": folder} in pod(fluentd)["containers"][0]["volumeMounts"]
    assert pod(fluentd)["securityContext"]["fsGroup"] == 10_001
    assert fluentd["spec"]["serviceName"] == one(objects, "Service", "fluentd")["metadata"]["name"]


def test_the_address_is_a_file_of_a_secret() -> None:
    """Who asks Elasticsearch must be in no manifest and no variable: Fluentd and the setup read the secret's file."""
    objects = overlay("production")
    for each in (one(objects, "StatefulSet", "fluentd"), one(objects, "Job", "elasticsearch-setup-")):
        variables = environment(objects, each)
        (volume,) = [volume for volume in pod(each)["volumes"] if "secret" in volume]
        (mount,) = [mount for mount in pod(each)["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]

        assert volume["secret"]["secretName"] == "elasticsearch"
        assert (variables[Env.ELASTICSEARCH_URL_FILE], mount["readOnly"]) == (f"{mount['mountPath']}/url", True)
        assert Env.ELASTICSEARCH_URL not in variables
    assert not of_kind(objects, "Secret")


def test_the_secret_is_told_of() -> None:
    """Which secret is needed, and how it is made, must be said."""
    todo = " ".join(logging_bundle(*stack(chosen=())).todo)

    assert "create secret generic elasticsearch --from-file=url=FILE" in todo
    assert "ca.crt" in todo


def _jobs(spec: StackSpec, facts: ExportFacts) -> set[str]:
    bundles: tuple[Bundle, ...] = (logging_bundle(spec, facts), elasticsearch_bundle(spec, facts))
    return {each["metadata"]["name"] for bundle in bundles for each in of_kind(bundle.objects, "Job")}


def test_a_changed_job_has_another_name() -> None:
    """A Job cannot be changed: one that differs must have another name, and the same one the same."""
    spec, facts = stack()
    other = replace(facts, images={**facts.images, "log-store": image("log-store-next")})

    assert _jobs(spec, facts) == _jobs(spec, facts)
    assert len(_jobs(spec, facts) | _jobs(spec, other)) == 4


def test_a_job_has_its_variables_in_it() -> None:
    """The name of a ConfigMap would change under a Job: it must refer to none; and it must try again, and stay when it has ended."""
    job = one(overlay("production"), "Job", "elasticsearch-setup-")

    assert all("envFrom" not in each for each in containers(job))
    assert pod(job)["restartPolicy"] == "OnFailure"
    assert job["spec"]["backoffLimit"] > 0
    assert "ttlSecondsAfterFinished" not in job["spec"], "who applies it again would run it again"


def test_dev_has_its_own_elasticsearch() -> None:
    """Where it is part of an overlay, Fluentd and the setup must ask it, and the secret must not be needed."""
    objects = overlay("dev")
    (port,) = one(objects, "Service", "elasticsearch")["spec"]["ports"]
    asking = (one(objects, "StatefulSet", "fluentd"), one(objects, "Job", "elasticsearch-setup-"))

    assert (port["name"], port["port"]) == ("elasticsearch", 9200)
    for each in asking:
        variables = environment(objects, each)
        assert variables[Env.ELASTICSEARCH_URL] == "http://elasticsearch:9200"
        assert not variables.get(Env.ELASTICSEARCH_URL_FILE)
    assert not [named(each) for each in workloads(objects) for volume in pod(each)["volumes"] if "secret" in volume]
    for container in containers(asking[0]):
        volumes = {
            each["name"] for each in (*pod(asking[0])["volumes"], *(t["metadata"] for t in asking[0]["spec"]["volumeClaimTemplates"]))
        }
        assert {each["name"] for each in container["volumeMounts"]} == volumes


def test_dev_elasticsearch_is_asked_by_fluentd_alone() -> None:
    """It has no password: nobody but Fluentd and the setup may reach it, and it must reach nobody."""
    policy = next(each for each in of_kind(overlay("dev"), "NetworkPolicy") if each["metadata"]["name"] == "elasticsearch")["spec"]
    (rule,) = policy["ingress"]

    assert [each["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for each in rule["from"]] == [
        "fluentd",
        "elasticsearch-setup",
    ]
    assert policy["egress"] == []
    assert "Egress" in policy["policyTypes"]


@pytest.mark.parametrize("pinned", [True, False])
def test_elasticsearch_s_image(*, pinned: bool) -> None:
    """Without another one it must be the official image by its version, and why it has no digest must be said to linters."""
    spec, facts = stack()
    facts = replace(facts, images={**facts.images, "elasticsearch": image("elasticsearch")}) if pinned else facts
    (node,) = of_kind(elasticsearch_bundle(spec, facts).objects, "StatefulSet")
    notes = node["metadata"].get("annotations", {})

    assert containers(node)[0]["image"] == (image("elasticsearch") if pinned else "elasticsearch:8.19.15")
    assert [value for value in notes.values() if value.startswith("CKV_K8S_43=")] == ([] if pinned else list(notes.values()))
    assert bool(notes) is not pinned


def test_elasticsearch_can_read_its_image() -> None:
    """The official image's files belong to the group 0, which the pod's user needs besides its own."""
    node = one(overlay("dev"), "StatefulSet", "elasticsearch")

    assert pod(node)["securityContext"]["supplementalGroups"] == [0]
    assert pod(node)["securityContext"]["runAsUser"] == 10_001


def test_production_has_no_elasticsearch_of_its_own() -> None:
    """A node without a password must be in production only when it is asked for."""
    assert not [each for each in overlay("production") if each["metadata"]["name"] == "elasticsearch"]
    assert one(overlay("production", chosen=(*CHOSEN, "elasticsearch")), "StatefulSet", "elasticsearch")


def test_both_images_are_needed() -> None:
    """Logging must be missing as long as Fluentd's image, or that of the setup, is not known."""
    spec, facts = stack()
    for key in ("fluentd", "log-store"):
        missing = build_export(
            spec, replace(facts, chosen=(), images={name: each for name, each in facts.images.items() if name != key})
        ).missing

        assert missing["logging"].fix.startswith(f"add --image {key}=REF@sha256:…   or ")
    assert "logging" not in build_export(spec, facts).missing


def test_who_may_reach_fluentd() -> None:
    """Models, their challengers and the drift service may bring events, and Fluentd may go to Elasticsearch, wherever that is."""
    policy = next(each for each in of_kind(overlay("production"), "NetworkPolicy") if each["metadata"]["name"] == "fluentd")["spec"]
    forward = next(rule for rule in policy["ingress"] if rule["ports"][0]["port"] == "fluentd")

    components = [each["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for each in forward["from"]]
    assert components == ["server", "challenger", "drift"]
    assert [port["port"] for rule in policy["egress"] if "to" not in rule for port in rule["ports"]] == [443, 9200]
    assert any("ipBlock" in each and "/spec/egress/1/to" in each for each in logging_bundle(*stack()).todo)


def test_with_an_elasticsearch_of_its_own_nothing_else_must_be_reached() -> None:
    """In dev Fluentd and the setup may ask for names and reach that node, and nobody in the world besides."""
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(overlay("dev"), "NetworkPolicy")}

    for name in ("fluentd", "elasticsearch-setup"):
        names, store = policies[name]["egress"]
        assert {port["port"] for port in names["ports"]} == {53}
        assert store == {
            "to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "elasticsearch"}}}],
            "ports": [{"port": 9200, "protocol": "TCP"}],
        }
