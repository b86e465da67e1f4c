"""A small export that has one of everything: for tests of how exports are written, whatever is exported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlsandbox.render.kubernetes.bundle import Bundle, Config, ConfigChange, Export, Manifest, Missing, Overlay, Patch, Removal
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.tree import RenderedFile

FACTS = ExportFacts(images={"churn": "registry.example.com:5000/churn:v1@sha256:" + "0" * 64}, namespace="bank")
LABELS = {"app.kubernetes.io/part-of": "bank", "app.kubernetes.io/managed-by": "mlsandbox"}
FILE = 'a\tb\r\n\u2028 <x>&"ü"😀 \n\n'
"""A text that neither YAML nor JSON takes as it lies."""


def of_kind(kind: str, name: str, **fields: Any) -> Manifest:
    """An object of the export."""
    return manifest(kind, name, namespace="bank", labels=LABELS, **fields)


def deployment(name: str = "churn") -> Manifest:
    """One that refers to ConfigMaps in every way there is."""
    named = {"name": f"{name}-config"}
    container = {
        "name": "server",
        "envFrom": [{"configMapRef": dict(named)}, {"secretRef": {"name": f"{name}-config"}}],
        "env": [{"name": "PLAIN", "value": "x"}, {"name": "A", "valueFrom": {"configMapKeyRef": {**named, "key": "A"}}}],
    }
    pod = {
        "initContainers": [{**container, "name": "shipper"}],
        "containers": [container],
        "volumes": [
            {"name": "files", "configMap": {"name": f"{name}-files"}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": f"{name}-files"}}, {"secret": {"name": "key"}}]}},
            {"name": "foreign", "configMap": {"name": "of-somebody-else"}},
        ],
    }
    template = {"metadata": {"annotations": {"a/b~c": "1"}}, "spec": pod}
    return of_kind("Deployment", name, spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})


BASE = Bundle(
    "base",
    "All of it.",
    objects=(
        of_kind("Namespace", "bank"),
        of_kind("NetworkPolicy", "default-deny", spec={"podSelector": {}}),
        of_kind("ServiceAccount", "churn"),
        deployment(),
        of_kind("HorizontalPodAutoscaler", "churn", spec={"minReplicas": 2, "maxReplicas": 10}),
    ),
    configs=(
        Config("churn-config", {"A": "1", "EMPTY": "", "TEXT": ' "quoted" # $(A) <ü> ', "LINES": "one\ntwo\n"}),
        Config("churn-files", {"x.conf": FILE, "y.json": "{}\n"}, files=True),
    ),
)
SCALED = Bundle(
    "scaled",
    "Scales in another way.",
    objects=(
        of_kind(
            "ScaledObject",
            "churn",
            spec={"minReplicaCount": 2, "maxReplicaCount": 10, "triggers": [{"metadata": {"query": 'up{namespace="bank"}'}}]},
        ),
    ),
    removals=(Removal("HorizontalPodAutoscaler", "churn"),),
)
LOGGED = Bundle(
    "logged",
    "Logs.",
    objects=(deployment("log"),),
    configs=(Config("log-config", {"A": "2"}), Config("log-files", {"x.conf": "", "sub.conf": "b\n"}, files=True)),
    changes=(ConfigChange("churn-config", {"A": "log=log:24224", "QUOTED": "'x'", "LINES": "three\n"}),),
    patches=(
        Patch(
            "Deployment",
            "churn",
            (
                {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "more", "configMap": {"name": "log-files"}}},
                {"op": "add", "path": "/spec/template/spec/volumes/0", "value": {"name": "first", "emptyDir": {}}},
                {"op": "replace", "path": "/spec/template/metadata/annotations/a~1b~0c", "value": "yes"},
                {"op": "remove", "path": "/spec/template/spec/containers/0/env/0"},
            ),
        ),
    ),
    examples=(RenderedFile("volume.yaml", "# an example\n"),),
    todo=("Fill in the address.",),
)
AFTER = Bundle("after", "Needs logs.", changes=(ConfigChange("log-config", {"B": "3"}),), after=("logged",))


def overlay(name: str, *components: str, **fields: Any) -> Overlay:
    """An overlay in a namespace of its name."""
    return Overlay(name, f"bank-{name}", components, **fields)


BOUNDS = Patch("HorizontalPodAutoscaler", "churn", ({"op": "replace", "path": "/spec/minReplicas", "value": 1},))
EXPORT = Export(
    BASE,
    (SCALED, LOGGED, AFTER),
    (
        overlay("bare"),
        overlay("patched", "logged", patches=(BOUNDS,), changes=(ConfigChange("churn-config", {"A": "9", "TEXT": "other"}),)),
        replace(overlay("full", "scaled", "logged", "after"), namespace="bank"),
    ),
    {"gone": Missing("its image is not known", "name it")},
)
