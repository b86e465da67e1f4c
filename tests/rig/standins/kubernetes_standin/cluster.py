"""The objects of the cluster, and what may be done to them."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from kubernetes_standin.kinds import Kind, served
from kubernetes_standin.pod_security import violations
from kubernetes_standin.refusal import Refused
from kubernetes_standin.schemas import check
from kubernetes_standin.settings import Settings
from kubernetes_standin.workloads import CONTROLLED, pods_of, with_status

_LEVEL = "pod-security.kubernetes.io/"
_TEMPLATED = ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet", "Job")

Manifest = dict[str, Any]


class Cluster:
    """One cluster. Not thread-safe: the server holds a lock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kinds = served(settings.groups)
        self._objects: dict[tuple[str, str, str], Manifest] = {}
        self._looks: dict[tuple[str, str, str], int] = {}
        for name in ("default", "kube-system"):
            self._store("namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for number in range(settings.nodes):
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"}}
            self._store("nodes", "", {**node, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})

    def kind(self, version: str, plural: str) -> Kind:
        """The kind at an address; Refused when it is not served."""
        found = next((each for each in self.kinds.get(version, ()) if each.plural == plural), None)
        if found is None:
            raise Refused(404, "the server could not find the requested resource")
        return found

    def apply(self, kind: Kind, namespace: str, name: str, manifest: Manifest, params: dict[str, str]) -> tuple[Manifest, list[str]]:
        """Server-side apply: the object, and warnings."""
        if not params.get("fieldManager"):
            raise Refused(422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch')
        self._check(kind, namespace, manifest, applied=True, strict=params.get("fieldValidation") == "Strict")
        if manifest["metadata"].get("name") != name:
            raise Refused(400, f"the name of the object ({manifest['metadata'].get('name')}) does not match the name on the URL ({name})")
        warnings = self._warnings(kind, namespace, manifest)
        if params.get("dryRun") == "All":
            return manifest, warnings
        return self._store(kind.plural, namespace, manifest), warnings

    def create(self, kind: Kind, namespace: str, manifest: Manifest, params: dict[str, str]) -> tuple[Manifest, list[str]]:
        """A new object, and warnings."""
        self._check(kind, namespace, manifest, applied=False, strict=params.get("fieldValidation") == "Strict")
        name = manifest["metadata"]["name"]
        if (kind.plural, namespace, name) in self._objects:
            raise Refused(409, f'{kind.qualified} "{name}" already exists')
        if kind.name == "Pod":
            self._admit(namespace, manifest)
        if params.get("dryRun") == "All":
            return manifest, []
        return self._store(kind.plural, namespace, manifest), []

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """An object as it is now; a look at it lets time pass for it."""
        key = (kind.plural, namespace, name)
        if key not in self._objects:
            raise Refused(404, f'{kind.qualified} "{name}" not found')
        self._looks[key] = self._looks.get(key, 0) + 1
        found = self._objects[key]
        if kind.name in CONTROLLED:
            return with_status(found, self._looks[key], self.settings)
        if kind.name == "Namespace" and "deletionTimestamp" in found["metadata"] and self.settings.controllers:
            found["metadata"]["looks"] = found["metadata"].get("looks", 0) + 1
            if found["metadata"]["looks"] > self.settings.finalizing:
                self._forget(name)
                raise Refused(404, f'namespaces "{name}" not found')
        return found

    def listed(self, kind: Kind, namespace: str, labels: dict[str, str]) -> list[Manifest]:
        """Objects with the labels."""
        found = [each for (plural, where, _), each in self._objects.items() if plural == kind.plural and namespace in (where, "")]
        if kind.name == "Pod":
            there = [(key, each) for key, each in self._objects.items() if each["kind"] in CONTROLLED and key[1] == namespace]
            found += [pod for key, each in there for pod in pods_of(each, self._looks.get(key, 0), self.settings)]
        return [each for each in found if labels.items() <= (each["metadata"].get("labels") or {}).items()]

    def delete(self, kind: Kind, namespace: str, name: str, only: str = "") -> Manifest:
        """Remove an object, if it has that uid; a namespace goes when it is empty."""
        key = (kind.plural, namespace, name)
        if key not in self._objects:
            raise Refused(404, f'{kind.qualified} "{name}" not found')
        uid = self._objects[key]["metadata"]["uid"]
        if only and only != uid:
            text = f"the UID in the precondition ({only}) does not match the UID in record ({uid})"
            raise Refused(409, f'Operation cannot be fulfilled on {kind.qualified} "{name}": {text}')
        if kind.name != "Namespace":
            return self._objects.pop(key)
        self._objects[key]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._objects[key]["status"] = {"phase": "Terminating"}
        return self._objects[key]

    def delete_all(self, kind: Kind, namespace: str) -> Manifest:
        """Remove all of a kind in a namespace."""
        for key in [key for key in self._objects if key[:2] == (kind.plural, namespace)]:
            del self._objects[key]
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def finalize(self, name: str, manifest: Manifest) -> None:
        """Let a namespace go."""
        if manifest.get("spec", {}).get("finalizers"):
            raise Refused(409, f'Operation cannot be fulfilled on namespaces "{name}"')
        self._forget(name)

    def namespace(self, name: str) -> Manifest:
        """A namespace that things can be in."""
        found = self._objects.get(("namespaces", "", name))
        if found is None:
            raise Refused(404, f'namespaces "{name}" not found')
        return found

    def _store(self, plural: str, namespace: str, manifest: Manifest) -> Manifest:
        key = (plural, namespace, manifest["metadata"]["name"])
        stored = copy.deepcopy(manifest)
        before = self._objects.get(key, {}).get("metadata", {})
        stored["metadata"] |= {"uid": before.get("uid") or str(uuid.uuid4()), "generation": before.get("generation", 0) + 1}
        self._objects[key] = stored
        return stored

    def _forget(self, namespace: str) -> None:
        self._objects = {key: each for key, each in self._objects.items() if key[1] != namespace}
        self._objects.pop(("namespaces", "", namespace), None)

    def _check(self, kind: Kind, namespace: str, manifest: Manifest, *, applied: bool, strict: bool) -> None:
        if (manifest.get("apiVersion"), manifest.get("kind")) != (kind.version, kind.name):
            raise Refused(400, f"the object is a {manifest.get('apiVersion')} {manifest.get('kind')}, not a {kind.version} {kind.name}")
        if kind.namespaced:
            if manifest["metadata"].get("namespace", namespace) != namespace:
                raise Refused(400, "the namespace of the provided object does not match the namespace sent on the request")
            if "deletionTimestamp" in self.namespace(namespace)["metadata"]:
                text = f"unable to create new content in namespace {namespace} because it is being terminated"
                raise Refused(403, f'{kind.qualified} "{manifest["metadata"]["name"]}" is forbidden: {text}')
        if strict or applied:
            check(kind, manifest, self.settings.release, applied=applied)

    def _warnings(self, kind: Kind, namespace: str, manifest: Manifest) -> list[str]:
        """Of pods that a workload would make."""
        level = self._level(namespace, "warn") if kind.namespaced else ""
        broken = violations(manifest["spec"]["template"]["spec"]) if kind.name in _TEMPLATED and level == "restricted" else []
        return [f'would violate PodSecurity "restricted:latest": {", ".join(broken)}'] if broken else []

    def _admit(self, namespace: str, pod: Manifest) -> None:
        name, spec = pod["metadata"]["name"], pod["spec"]
        account = spec.get("serviceAccountName", "default")
        if account != "default" and ("serviceaccounts", namespace, account) not in self._objects:
            text = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise Refused(403, f'pods "{name}" is forbidden: {text}')
        broken = violations(spec) if self._level(namespace, "enforce") == "restricted" else []
        if broken:
            raise Refused(403, f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": {", ".join(broken)}')

    def _level(self, namespace: str, mode: str) -> str:
        return str((self.namespace(namespace)["metadata"].get("labels") or {}).get(f"{_LEVEL}{mode}", ""))
