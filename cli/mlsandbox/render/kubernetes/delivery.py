"""The package of a model beside its image (pure): on a volume that a Job fills and every pod verifies, or as an image of its own.

The volume is written by the Job alone. Pods mount it read-only, which many nodes may do at once (ReadOnlyMany in all but the claim's
access mode: a claim that cannot be written cannot be filled). Each image has a folder of its own there, so that pods of the version
before keep theirs while the next one is brought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from mlsandbox.render.containers import PACKAGE as BENTO
from mlsandbox.render.kubernetes.bundle import Bundle, Manifest, Missing, Patch
from mlsandbox.render.kubernetes.delivery_examples import clone_example, static_examples
from mlsandbox.render.kubernetes.facts import PACKAGE, ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.model import server_objects
from mlsandbox.render.kubernetes.names import further_name, image_key, image_version, labels, models, object_names
from mlsandbox.render.kubernetes.stateful import digested_job
from mlsandbox.render.kubernetes.workload import NO_CPU_LIMITS, network_policy
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Deliver, Env

CLAIM: Final = "model-pvc"
IMAGE: Final = "model-oci"
_SUFFIX: Final = "model"
_VOLUME: Final = "model"
_MOUNT: Final = "/var/lib/sandbox/model"
"""Where the whole volume lies in the containers that fill and verify it."""
_SIZE: Final = "10Gi"
_WAIT_SECONDS: Final = 600
_FILL_SECONDS: Final = 3600
_TRIES: Final = 4
_STORAGE: Final = "128Mi"
_POD: Final = "/spec/template/spec"
_ID_DIGITS: Final = 8


def model_pvc_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """For each model a claim, the Job that fills it, and the server on it."""
    names = object_names(spec)
    claims = {model.name: further_name(spec, names[model.name], _SUFFIX) for model in models(spec)}
    objects = [each for model in models(spec) for each in _filled(spec, facts, model, claims[model.name])]
    first = next(iter(claims.values()))
    return Bundle(
        CLAIM,
        "Packages of models lie on a volume: a Job copies them there out of the image, and every pod verifies what it finds.",
        objects=tuple(objects),
        patches=tuple(_mounted(spec, facts, model, names[model.name], claims[model.name]) for model in models(spec)),
        examples=(*static_examples(facts, first, _SIZE), clone_example(facts, first, _SIZE)),
        todo=(
            (
                f"Claims are of the cluster's default storage class, {_SIZE} each, and the class has to offer ReadWriteMany "
                "(NFS, CephFS, EFS, Azure Files, Filestore): name another class or size by a patch in the overlay, or bind volumes "
                "that are there (examples/persistentvolume-nfs.yaml, examples/persistentvolume-csi.yaml)."
            ),
            (
                "Block storage is written by one node only: examples/readonlymany-clone.yaml fills one volume and gives its clone, "
                "ReadOnlyMany, to the pods."
            ),
            "Folders of images that no pod has any more stay on the volume until somebody removes them.",
            "Another image of a model has to be exported: the Job and the folder are named after it.",
        ),
    )


def model_oci_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The servers with their packages from images of their own."""
    names = object_names(spec)
    packaged = [model for model in models(spec) if package_key(model) in facts.images]
    model = str((packaged or models(spec))[0].env[Env.MODEL])
    return Bundle(
        IMAGE,
        "Packages of models come as OCI images of their own, mounted read-only.",
        patches=tuple(_image_mounted(facts, each, names[each.name]) for each in packaged),
        todo=(
            *_of_other_versions(facts, packaged),
            (
                "The nodes' container runtime has to know image volumes (containerd from 2.1 on); Pod Security admission takes them, "
                "policies of others (Kyverno) may not yet."
            ),
            (
                f"An image of a package holds the folder {BENTO} of the model's image and nothing else. It is made by: "
                f"id=$(docker create {facts.images[model]}) && docker cp $id:{BENTO} bento && docker rm $id && "
                f"printf 'FROM scratch\\nCOPY bento/ /\\n' | docker build --file - --tag REGISTRY/{model}-package . && "
                f"docker push REGISTRY/{model}-package; then export with --image {model}/{PACKAGE}=REGISTRY/{model}-package@sha256:…."
            ),
        ),
    )


def _of_other_versions(facts: ExportFacts, packaged: Sequence[ServiceSpec]) -> Iterator[str]:
    """Whatever asks a model's image of its reference gets that of the version there, not of the one that serves."""
    for model in packaged:
        name, key = image_key(model), package_key(model)
        held, served = facts.versions.get(name, ""), facts.versions.get(key, "")
        if held and served and held != served:
            yield (
                f"{name} serves {served}, the version of its package's image; labels, and the reference that the drift service compares "
                f"its rows with, are those of {held}, the version of its own image: export with both images of one version, "
                f"--image {name}=… and --image {key}=…."
            )


def pvc_obstacle(spec: StackSpec, facts: ExportFacts) -> Missing | None:
    """Why a volume cannot have the packages of these images; None when it can."""
    tagged = [key for key in map(image_key, models(spec)) if "@" not in facts.images[key]]
    if not tagged:
        return None
    return Missing(
        f"a folder of the volume is named after an image's digest, and that of {', '.join(tagged)} has a tag, which may be moved "
        "while the folder stays",
        f"sandbox export k8s --image {tagged[0]}=REF@sha256:…",
    )


def package_key(model: ServiceSpec) -> str:
    """The key of the image that holds the package alone."""
    return f"{model.env[Env.MODEL]}/{PACKAGE}"


def package_images(spec: StackSpec, _facts: ExportFacts) -> tuple[str, ...]:
    """The keys of images of which one has to be known for `model_oci_bundle`."""
    return tuple(package_key(model) for model in models(spec))


def _filled(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, claim: str) -> Iterator[Manifest]:
    """A claim, and the Job that fills it."""
    key = image_key(model)
    found = labels(claim, CLAIM, project=spec.project, version=image_version(facts.images[key], facts.versions.get(key, "")))
    resources: dict[str, Any] = {"requests": {"storage": _SIZE}}
    yield manifest(
        "PersistentVolumeClaim",
        claim,
        namespace=facts.namespace,
        labels={name: value for name, value in found.items() if not name.endswith("/version")},
        spec={"accessModes": ["ReadWriteMany"], "resources": resources},
    )
    own = object_names(spec)[model.name]
    server = _server(spec, facts, model, own)
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": own,  # which knows how to pull the image
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": server["securityContext"],
        "containers": [_container(spec, facts, model, "fill", read_only=False)],
        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim}}],
    }
    annotated = {} if facts.cpu_limits else {"annotations": dict(NO_CPU_LIMITS)}
    yield digested_job(
        claim,
        {
            "backoffLimit": _TRIES,
            "activeDeadlineSeconds": _FILL_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"containerName": "fill", "operator": "In", "values": [Deliver.TAMPERED]}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {"metadata": {"labels": found, **annotated}, "spec": pod},
        },
        facts,
        found,
    )
    yield network_policy(claim, CLAIM, spec.project, facts.namespace, ingress=[], egress=[])  # it talks to nobody


def _mounted(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str, claim: str) -> Patch:
    """The folder of the image's bento on the volume, in the place of that in the image; before the server starts, it is verified."""
    volume = {"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    mount = {"name": _VOLUME, "mountPath": BENTO, "subPath": _image_id(facts, model), "readOnly": True}
    verify = _container(spec, facts, model, "verify", read_only=True)
    return Patch(
        "Deployment",
        name,
        (
            # After the shipper, so that what others change of it is where it was.
            {"op": "add", "path": f"{_POD}/initContainers/-", "value": verify},
            {"op": "add", "path": f"{_POD}/containers/0/volumeMounts/-", "value": mount},
            {"op": "add", "path": f"{_POD}/volumes/-", "value": volume},
        ),
    )


def _image_mounted(facts: ExportFacts, model: ServiceSpec, name: str) -> Patch:
    image = facts.images[package_key(model)]
    pull = "IfNotPresent" if "@" in image else "Always"
    return Patch(
        "Deployment",
        name,
        (
            {"op": "add", "path": f"{_POD}/containers/0/volumeMounts/-", "value": {"name": _VOLUME, "mountPath": BENTO, "readOnly": True}},
            {"op": "add", "path": f"{_POD}/volumes/-", "value": {"name": _VOLUME, "image": {"reference": image, "pullPolicy": pull}}},
        ),
    )


def _container(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, command: str, *, read_only: bool) -> dict[str, Any]:
    """What fills or verifies, in the model's image: its own bento is what is expected."""
    (server,) = _server(spec, facts, model, object_names(spec)[model.name])["containers"]
    limits = {"cpu": "1", "memory": "256Mi", "ephemeral-storage": _STORAGE}
    if not facts.cpu_limits:
        del limits["cpu"]
    wait = [f"--wait={_WAIT_SECONDS}"] if command == "verify" else []
    return {
        "name": command,
        "image": server["image"],
        "imagePullPolicy": server["imagePullPolicy"],
        "command": ["python"],
        "args": ["-m", Deliver.PROGRAM, command, BENTO, f"{_MOUNT}/{_image_id(facts, model)}", *wait],
        "env": [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}, {"name": "PYTHONPATH", "value": f"{BENTO}/src"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": _STORAGE}, "limits": limits},
        "securityContext": server["securityContext"],
        "volumeMounts": [{"name": _VOLUME, "mountPath": _MOUNT, **({"readOnly": True} if read_only else {})}],
    }


def _server(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str) -> dict[str, Any]:
    """The pod of a model as it is without the component."""
    parts = server_objects(spec, facts, model, name=name)
    (pod,) = (each["spec"]["template"]["spec"] for each in parts.objects if each["kind"] == "Deployment")
    return dict(pod)


def _image_id(facts: ExportFacts, model: ServiceSpec) -> str:
    """The folder of an image on the volume: the start of its digest."""
    return facts.images[image_key(model)].partition("@")[2].partition(":")[2][:_ID_DIGITS]
