"""API keys and other secrets (pure): references to Secrets, and how these come into being. No manifest ever holds a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, ConfigChange, Manifest, Patch
from mlsandbox.render.kubernetes.facts import EXTERNAL_SECRETS, ExportFacts
from mlsandbox.render.kubernetes.fluentd import CA, KEY, LOGGING, SECRET, logging_images
from mlsandbox.render.kubernetes.manifest import KINDS, manifest
from mlsandbox.render.kubernetes.manifest_text import comment, header, manifest_text
from mlsandbox.render.kubernetes.model import server_objects
from mlsandbox.render.kubernetes.names import MANAGER, labels, models, object_names
from mlsandbox.render.kubernetes.resolver import SECRETS
from mlsandbox.render.kubernetes.variables import config_name
from mlsandbox.render.kubernetes.volumes import SECRETS_VOLUME, secret_names, secrets_mount, secrets_volume
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.components.model import API_KEYS
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env

COMPONENT: Final = "api-keys"
EXTERNAL: Final = EXTERNAL_SECRETS
STORE: Final = "sandbox"
"""Name of the SecretStore that ExternalSecrets refer to."""
_PATH: Final = f"{SECRETS}/{API_KEYS.name}"
_SEAL: Final = "A secret that is kept with the manifests has to be sealed: examples/sealedsecret.yaml says how; or use external-secrets."
_REFRESH: Final = "1h"
_POD: Final = "/spec/template/spec"


def api_keys_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """Every model asks for a key."""
    names = object_names(spec)
    open_ = [model for model in models(spec) if Env.API_KEYS_FILE not in model.env]
    external = facts.has(EXTERNAL)
    return Bundle(
        COMPONENT,
        "Every model asks for an API key; probes and metrics, which tell nothing of data, do not.",
        changes=tuple(ConfigChange(config_name(names[model.name]), {Env.API_KEYS_FILE: _PATH}) for model in open_),
        patches=tuple(_patch(spec, facts, model, names[model.name]) for model in open_),
        examples=(_sealed(spec, facts),),
        todo=(
            (
                f"Make a key for each of your clients: `sandbox keys add team-a`; then put .sandbox/secrets/{API_KEYS.name} into the store "
                f"that {EXTERNAL} reads."
                if external
                else f"Make a key for each of your clients: `sandbox keys add team-a`; then the secret of them: "
                f"`{_create(API_KEYS.name, facts)}`."
            ),
            (
                "Other overlays need the secret in their own namespaces. Pods take changed keys without a restart, "
                "about a minute after the secret was changed."
            ),
            *(() if external else (_SEAL,)),
        ),
    )


def external_secrets_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """Secrets come from where the company keeps them, by the External Secrets Operator."""
    wanted = tuple(_wanted(spec, facts))
    objects = tuple(_external(spec, facts, name) for name in wanted)
    files = [_entry(spec, name) for name in wanted if name != SECRET]
    return Bundle(
        EXTERNAL,
        "Secrets come from a store of secrets, by the External Secrets Operator.",
        objects=objects,
        examples=(_store(facts),),
        todo=(
            (
                f"The External Secrets Operator has to be in the cluster, and a SecretStore {STORE} in the namespace: "
                f"examples/secretstore.yaml, whose service account {STORE} is yours to make; a ClusterSecretStore needs a patch of "
                "secretStoreRef in the overlay."
            ),
            (
                "Each entry of the store is an object whose properties become files. These need one property, named like the secret, with "
                f"the content of the file .sandbox/secrets/NAME: {', '.join(files)}."
            ),
            *(
                f"The entry {_entry(spec, name)} needs a property {KEY}, https://name:password@host:9200 with signs of URLs as %40 and the "
                f"like, and for an authority of your own a property {CA}, its certificate."
                for name in wanted
                if name == SECRET
            ),
        ),
    )


def with_optional_keys(deployment: Manifest, config: str) -> Manifest:
    """A Deployment whose pods ask for a key as soon as the variable for it is in that ConfigMap."""
    pod = deployment["spec"]["template"]["spec"]
    server, *others = pod["containers"]
    if any(each["name"] == Env.API_KEYS_FILE for each in server.get("env", ())):
        return deployment  # it does in any case
    follow = {"name": config, "key": str(Env.API_KEYS_FILE), "optional": True}
    env = [*server.get("env", ()), {"name": str(Env.API_KEYS_FILE), "valueFrom": {"configMapKeyRef": follow}}]
    volumes, mounts = pod["volumes"], server["volumeMounts"]
    source = _source(optional=True)
    if not any(each["name"] == SECRETS_VOLUME for each in volumes):
        volumes = [*volumes, {"name": SECRETS_VOLUME, **_volume(optional=True)}]
        mounts = [*mounts, secrets_mount()]
    else:
        volumes = [_with_source(each, source) if each["name"] == SECRETS_VOLUME else each for each in volumes]
    containers = [{**server, "env": env, "volumeMounts": mounts}, *others]
    changed = {**deployment["spec"]["template"], "spec": {**pod, "containers": containers, "volumes": volumes}}
    return {**deployment, "spec": {**deployment["spec"], "template": changed}}


def _patch(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str) -> Patch:
    """The folder of secrets, with the keys in it; where there is one it gets a source more."""
    parts = server_objects(spec, facts, model, name=name)
    (pod,) = (each["spec"]["template"]["spec"] for each in parts.objects if each["kind"] == "Deployment")
    places = [place for place, volume in enumerate(pod["volumes"]) if volume["name"] == SECRETS_VOLUME]
    if places:
        path = f"{_POD}/volumes/{places[0]}/projected/sources/-"
        return Patch("Deployment", name, ({"op": "add", "path": path, "value": _source(optional=False)},))
    return Patch(
        "Deployment",
        name,
        (
            {"op": "add", "path": f"{_POD}/volumes/-", "value": {"name": SECRETS_VOLUME, **_volume(optional=False)}},
            {"op": "add", "path": f"{_POD}/containers/0/volumeMounts/-", "value": secrets_mount()},
        ),
    )


def _volume(*, optional: bool) -> dict[str, Any]:
    projected = secrets_volume([API_KEYS.name])["projected"]
    return {"projected": {**projected, "sources": [_source(optional=optional)]}}


def _source(*, optional: bool) -> dict[str, Any]:
    (source,) = secrets_volume([API_KEYS.name])["projected"]["sources"]
    return {"secret": {**source["secret"], "optional": optional}}


def _with_source(volume: Manifest, source: Manifest) -> Manifest:
    projected = volume["projected"]
    return {**volume, "projected": {**projected, "sources": [*projected["sources"], source]}}


def _create(name: str, facts: ExportFacts) -> str:
    return f"kubectl --namespace {facts.namespace} create secret generic {name} --from-file={name}=.sandbox/secrets/{name}"


def _sealed(spec: StackSpec, facts: ExportFacts) -> RenderedFile:
    kind = KINDS["SealedSecret"]
    name = API_KEYS.name
    text = manifest_text(
        {
            "apiVersion": kind.version,
            "kind": "SealedSecret",
            "metadata": {"name": name, "namespace": facts.namespace, "labels": labels(name, COMPONENT, project=spec.project)},
            "spec": {
                "encryptedData": {name: "WHAT kubeseal MAKES OF IT"},
                "template": {"metadata": {"name": name}},
            },
        }
    )
    told = comment(
        "",
        "The secret of API keys, as it may lie beside the manifests: only the controller of Sealed Secrets in the cluster can open it.",
        "This file is made by:",
        f"  {_create(name, facts)} --dry-run=client --output yaml |",
        "    kubeseal --format yaml > sealedsecret.yaml",
        "It goes into an overlay, below resources. What is sealed is sealed for one namespace: there is one per overlay's namespace.",
        "",
    )
    return RenderedFile("sealedsecret.yaml", header() + told + text)


def _wanted(spec: StackSpec, facts: ExportFacts) -> Iterator[str]:
    """Names of Secrets."""
    yield from sorted({API_KEYS.name, *(each for model in models(spec) for each in secret_names(model))})
    if all(key in facts.images for key in logging_images(spec, facts)) and LOGGING not in facts.left_out:
        yield SECRET


def _external(spec: StackSpec, facts: ExportFacts, name: str) -> Manifest:
    """external-secrets.io/v1, ExternalSecret: whatever properties its entry has, which all stores know and some have nothing but."""
    return manifest(
        "ExternalSecret",
        name,
        namespace=facts.namespace,
        labels=labels(name, EXTERNAL, project=spec.project),
        spec={
            "refreshInterval": _REFRESH,
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "dataFrom": [{"extract": {"key": _entry(spec, name)}}],
        },
    )


def _entry(spec: StackSpec, name: str) -> str:
    return f"{spec.project}/{name}"


def _store(facts: ExportFacts) -> RenderedFile:
    store = {
        "apiVersion": KINDS["ExternalSecret"].version,
        "kind": "SecretStore",
        "metadata": {"name": STORE, "namespace": facts.namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER}},
        "spec": {
            "provider": {
                "vault": {
                    "server": "https://vault.example.com",
                    "path": "secret",
                    "version": "v2",
                    "auth": {"kubernetes": {"mountPath": "kubernetes", "role": STORE, "serviceAccountRef": {"name": STORE}}},
                }
            }
        },
    }
    told = comment(
        "",
        f"Where secrets come from: here from HashiCorp Vault, with the identity of the service account {STORE}, which Vault has to know,",
        f"and which no export makes: kubectl --namespace {facts.namespace} create serviceaccount {STORE}",
        "Providers of others have their own fields: see the documentation of the External Secrets Operator, Provider.",
        "It goes into an overlay, below resources.",
        "",
    )
    return RenderedFile("secretstore.yaml", header() + told + manifest_text(store))
