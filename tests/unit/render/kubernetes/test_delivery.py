"""Packages beside their images: the volume, the Job that fills it, and pods that serve from it and from nothing unverified."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlsandbox.errors import ComponentMissing, UsageError
from mlsandbox.render.kubernetes.delivery import model_pvc_bundle
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.json_patch import patched
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import Deliver
from support.exported import exported, image, inputs
from support.manifests import Manifest, containers, of_kind, pod, pod_labels

MODELS = ("default-risk", "fraud", "income")
BENTO = "/home/bentoml/bento"
Objects = dict[tuple[str, str], Manifest]


@pytest.fixture(scope="module")
def on_volumes() -> Objects:
    export, _ = exported("three-models", chosen=("model-pvc",))
    return {(each["kind"], each["metadata"]["name"]): each for each in plain_objects(export, "production")}


def test_a_claim_is_written_by_its_job_alone(on_volumes: Objects) -> None:
    for name in MODELS:
        claim = on_volumes["PersistentVolumeClaim", f"{name}-model"]
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        writers = [
            named
            for named, each in on_volumes.items()
            if named[0] in {"Deployment", "Job"}
            for one in containers(each)
            for mount in one.get("volumeMounts", [])
            if claims(each).get(mount["name"]) == f"{name}-model" and not mount.get("readOnly")
        ]
        assert [kind for kind, _ in writers] == ["Job"]


def test_pods_mount_it_read_only_twice_over_where_the_image_has_its_bento(on_volumes: Objects) -> None:
    for name in MODELS:
        each = on_volumes["Deployment", name]
        (volume,) = (found for found in pod(each)["volumes"] if "persistentVolumeClaim" in found)
        assert volume["persistentVolumeClaim"] == {"claimName": f"{name}-model", "readOnly": True}
        (mount,) = (found for found in pod(each)["containers"][0]["volumeMounts"] if found["name"] == volume["name"])
        assert mount["mountPath"] == BENTO
        assert mount["readOnly"] is True
        assert BENTO in pod(each)["containers"][0]["args"]


def test_what_is_filled_is_what_is_verified_is_what_is_served(on_volumes: Objects) -> None:
    for name in MODELS:
        each = on_volumes["Deployment", name]
        (fill,) = containers(job_of(name, on_volumes))
        verify = pod(each)["initContainers"][-1]
        (mount,) = (found for found in pod(each)["containers"][0]["volumeMounts"] if found["name"] == "model")
        for one, command in ((fill, "fill"), (verify, "verify")):
            (whole,) = one["volumeMounts"]
            assert one["args"][:5] == ["-m", "mlsandbox_serving.deliver", command, BENTO, f"{whole['mountPath']}/{mount['subPath']}"]
            assert one["image"] == image(name) == pod(each)["containers"][0]["image"]
            assert {entry["name"]: entry["value"] for entry in one["env"]}["PYTHONPATH"] == f"{BENTO}/src"


def test_the_server_starts_only_after_all_of_it_was_verified(on_volumes: Objects) -> None:
    for name in MODELS:
        names = [one["name"] for one in pod(on_volumes["Deployment", name])["initContainers"]]
        assert names == ["shipper", "verify"], "the first stays where it is: other components change it by its place"
        verify = pod(on_volumes["Deployment", name])["initContainers"][-1]
        assert "restartPolicy" not in verify
        assert any(re.fullmatch(r"--wait=[0-9]+", each) for each in verify["args"])


def test_another_image_has_another_job_and_another_folder() -> None:
    first, second = (jobs(*inputs("one-model", images=(f"churn={image(name)}",))) for name in ("churn", "churn-next"))
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert pod(first)["containers"][0]["args"][-1] != pod(second)["containers"][0]["args"][-1]


@pytest.mark.parametrize("changed", [{"cpu_limits": False}, {"versions": ("churn=v3",)}])
def test_a_job_with_another_template_has_another_name(changed: dict[str, Any]) -> None:
    """A Job's template cannot be changed: whatever is other in it, of the same image, it must be another Job, on the same folder."""
    first, again, second = (jobs(*inputs("one-model", **each)) for each in ({}, {}, changed))
    assert first == again
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert pod(first)["containers"][0]["args"] == pod(second)["containers"][0]["args"]


def test_a_job_that_has_ended_stays() -> None:
    """Whoever applies manifests again and again would otherwise fill the volume again and again."""
    assert "ttlSecondsAfterFinished" not in jobs(*inputs("one-model"))["spec"]


@pytest.mark.parametrize("reference", ["registry.example.com/churn:v3", "registry.example.com:5000/churn"])
def test_an_image_without_a_digest_has_no_folder(reference: str) -> None:
    """The folder would stay that of the tag when the tag is moved: the component must be missing, with what helps."""
    options: dict[str, Any] = {"images": (f"churn={reference}",), "allow_tags": True}
    export, _ = exported("one-model", **options)
    assert "model-pvc" not in {each.name for each in export.components}
    with pytest.raises(ComponentMissing) as caught:
        exported("one-model", **options, chosen=("model-pvc",))
    assert "digest" in str(caught.value.why)
    assert "--image churn=REF@sha256:" in str(caught.value.fix)


def test_the_longest_name_of_a_model_has_room_in_the_name_of_its_job() -> None:
    spec, facts = inputs("one-model")
    suffix = jobs(spec, facts)["metadata"]["name"].removeprefix("churn")
    assert 41 + len("-model") + len(suffix) <= 63


def test_a_job_that_found_changed_files_is_not_tried_again(on_volumes: Objects) -> None:
    for name in MODELS:
        spec = job_of(name, on_volumes)["spec"]
        (rule,) = (each for each in spec["podFailurePolicy"]["rules"] if each["action"] == "FailJob")
        assert rule["onExitCodes"] == {"containerName": "fill", "operator": "In", "values": [Deliver.TAMPERED]}
        assert spec["template"]["spec"]["restartPolicy"] == "Never", "podFailurePolicy asks for it"


def test_a_job_is_no_pod_of_the_model_and_reaches_nobody(on_volumes: Objects) -> None:
    for name in MODELS:
        labels = pod_labels(job_of(name, on_volumes))
        assert labels["app.kubernetes.io/name"] == f"{name}-model"
        policy = on_volumes["NetworkPolicy", f"{name}-model"]["spec"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert (policy["ingress"], policy["egress"], policy["policyTypes"]) == ([], [], ["Ingress", "Egress"])


def test_cpu_limits_are_left_out_everywhere_with_the_reason() -> None:
    found = jobs(*inputs("one-model", cpu_limits=False))
    assert "cpu" not in pod(found)["containers"][0]["resources"]["limits"]
    assert any("CKV_K8S_11" in each for each in found["metadata"]["annotations"].values())


def test_examples_fit_the_claim() -> None:
    spec, facts = inputs("three-models")
    bundle = model_pvc_bundle(spec, facts)
    (claim,) = (each for each in bundle.objects if each["metadata"]["name"] == "default-risk-model" and "Claim" in each["kind"])
    examples = {file.path: yaml.safe_load(file.text) for file in bundle.examples}
    bound = patched(claim, examples["persistentvolumeclaim-patch.yaml"])
    for name in ("persistentvolume-nfs.yaml", "persistentvolume-csi.yaml"):
        volume = examples[name]
        assert volume["kind"] == "PersistentVolume"
        assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
        assert volume["spec"]["claimRef"]["namespace"] == claim["metadata"]["namespace"]
        assert volume["spec"]["storageClassName"] == bound["spec"]["storageClassName"]
        assert volume["metadata"]["name"] == bound["spec"]["volumeName"]
        assert set(claim["spec"]["accessModes"]) <= set(volume["spec"]["accessModes"])
        assert "ReadOnlyMany" in volume["spec"]["accessModes"]
        assert volume["spec"]["capacity"] == claim["spec"]["resources"]["requests"]
        assert "hostPath" not in volume["spec"]
    clone = examples["readonlymany-clone.yaml"]
    assert clone["spec"]["accessModes"] == ["ReadOnlyMany"]
    assert clone["spec"]["dataSource"]["name"] == claim["metadata"]["name"]


def test_a_package_comes_as_an_image_of_its_own() -> None:
    package = f"churn/package={image('churn-package')}"
    export, facts = exported("one-model", images=(f"churn={image('churn')}", package), chosen=("model-oci",), release="1.35")
    (each,) = of_kind(plain_objects(export, "production"), "Deployment")
    (volume,) = (found for found in pod(each)["volumes"] if "image" in found)
    assert volume["image"]["reference"] == facts.images["churn/package"]
    (mount,) = (found for found in pod(each)["containers"][0]["volumeMounts"] if found["name"] == volume["name"])
    assert (mount["mountPath"], mount["readOnly"]) == (BENTO, True)


def test_image_volumes_are_not_written_for_servers_that_would_drop_them() -> None:
    images = (f"churn={image('churn')}", f"churn/package={image('churn-package')}")
    export, _ = exported("one-model", images=images, release="1.34")
    assert "1.35" in export.missing["model-oci"].reason
    with pytest.raises(ComponentMissing, match="model-oci"):
        exported("one-model", images=images, release="1.34", chosen=("model-oci",))


def test_how_the_image_of_a_package_is_made_is_told() -> None:
    images = (f"churn={image('churn')}", f"churn/package={image('churn-package')}")
    export, _ = exported("one-model", images=images, release="1.35")
    (bundle,) = (each for each in export.components if each.name == "model-oci")
    told = " ".join(bundle.todo)
    assert f"docker create {image('churn')}" in told
    assert f":{BENTO}" in told
    assert "--image churn/package=" in told


@pytest.mark.parametrize(
    ("model", "package", "versions", "differs"),
    [
        ("churn:v2", "churn-package:v3", (), True),
        ("churn:v3", "churn-package:v3", (), False),
        ("churn", "churn-package:v3", (), False),
        ("churn", "churn-package", ("churn=v2", "churn/package=v3"), True),
    ],
)
def test_a_package_of_another_version_is_told(model: str, package: str, versions: tuple[str, ...], *, differs: bool) -> None:
    """Rows of one version would be compared with the reference of another: who applies it must know."""
    digest = image("churn").partition("@")[2]
    images = (f"churn=registry.example.com/team/{model}@{digest}", f"churn/package=registry.example.com/team/{package}@{digest}")
    export, _ = exported("one-model", images=images, versions=versions, release="1.35")
    (bundle,) = (each for each in export.components if each.name == "model-oci")

    assert any("churn serves v3" in told and "those of v2" in told for told in bundle.todo) is differs


def test_a_package_is_delivered_in_one_way_only() -> None:
    images = (f"churn={image('churn')}", f"churn/package={image('churn-package')}")
    with pytest.raises(UsageError, match="model-pvc"):
        exported("one-model", images=images, release="1.35", chosen=("model-oci", "model-pvc"))


def test_a_model_of_that_name_keeps_its_claim() -> None:
    spec, facts = inputs("one-model")
    (model,) = (each for each in spec.services if each.component == "api")
    other = replace(model, name="api-other", env={**model.env, "SANDBOX_MODEL": "churn-model"})
    both = replace(facts, images={**facts.images, "churn-model": facts.images["churn"]})
    shippers = [
        replace(each, name="shipper-other", env={**each.env, "SANDBOX_MODEL": "churn-model"})
        for each in spec.services
        if each.component == "shipper"
    ]
    bundle = model_pvc_bundle(replace(spec, services=(*spec.services, other, *shippers)), both)
    assert {each["metadata"]["name"] for each in of_kind(bundle.objects, "PersistentVolumeClaim")} == {"churn--model", "churn-model-model"}


def jobs(spec: StackSpec, facts: ExportFacts) -> Manifest:
    """The only Job."""
    (found,) = of_kind(model_pvc_bundle(spec, facts).objects, "Job")
    return found


def job_of(name: str, objects: Objects) -> Manifest:
    (found,) = (each for (kind, called), each in objects.items() if kind == "Job" and called.startswith(f"{name}-model-"))
    return found


def claims(workload: Manifest) -> dict[str, str]:
    """Claims of a workload's volumes, by the volume's name."""
    return {
        each["name"]: each["persistentVolumeClaim"]["claimName"] for each in pod(workload)["volumes"] if "persistentVolumeClaim" in each
    }
