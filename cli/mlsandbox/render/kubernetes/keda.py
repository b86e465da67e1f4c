"""Pods by demand: KEDA counts the requests that are being answered, and owns the autoscaler (pure).

Processors say little about a model that waits, for rows to batch or for an accelerator; requests in flight say how much is asked of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest, Patch, Removal
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.model import server_objects
from mlsandbox.render.kubernetes.monitoring import SERVICE_MONITOR
from mlsandbox.render.kubernetes.names import models, object_names
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env, Metrics

KEDA: Final = "keda"
SCALED_OBJECT: Final = "ScaledObject"
_AUTOSCALER: Final = "HorizontalPodAutoscaler"
_QUERY: Final = ("spec", "triggers", 0, "metadata", "query")
_SHARE: Final = 16
"""One of so many requests that a pod takes at once is what it is meant to have: more of them wait, and long before it refuses any."""
_POLL_SECONDS: Final = 15
_FAILURES: Final = 4
"""As many polls may fail, a minute, before the number of pods is decided without Prometheus."""


def keda_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """A ScaledObject for each model, instead of its autoscaler."""
    names = object_names(spec)
    replaced = [(model, _autoscaler(spec, facts, model, names[model.name])) for model in models(spec)]
    return Bundle(
        name=KEDA,
        summary="As many pods as the requests in flight need, by KEDA, instead of by the load of processors.",
        objects=tuple(_scaled(facts, model, autoscaler) for model, autoscaler in replaced),
        removals=tuple(Removal(_AUTOSCALER, autoscaler["metadata"]["name"]) for _, autoscaler in replaced),
        todo=(
            f"KEDA 2.17 or newer has to be in the cluster, and reach Prometheus at {facts.prometheus_url} (else: --prometheus-url).",
            (
                f"KEDA aims at one {_SHARE}th of max_concurrency as the requests in flight of a pod: measure from where on yours gets "
                "slow, and change the threshold in an overlay."
            ),
            (
                "KEDA's query names the namespace: an overlay that is given this component or another namespace by hand has to replace "
                "/spec/triggers/0/metadata/query of each ScaledObject too."
            ),
        ),
        after=(SERVICE_MONITOR,),
    )


def namespace_patches(objects: Iterable[Manifest], namespace: str) -> tuple[Patch, ...]:
    """What has each of these ScaledObjects ask for the pods of another namespace than the one it was made for."""
    found = []
    for each in objects:
        own = each["metadata"]["namespace"]
        if each["kind"] == SCALED_OBJECT and own != namespace:
            query = each["spec"]["triggers"][0]["metadata"]["query"].replace(_in(own), _in(namespace))
            path = "/" + "/".join(map(str, _QUERY))
            found.append(Patch(SCALED_OBJECT, each["metadata"]["name"], ({"op": "replace", "path": path, "value": query},)))
    return tuple(found)


def _autoscaler(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str) -> Manifest:
    return next(each for each in server_objects(spec, facts, model, name=name).objects if each["kind"] == _AUTOSCALER)


def _scaled(facts: ExportFacts, model: ServiceSpec, autoscaler: Manifest) -> Manifest:
    """With the autoscaler's bounds and behaviour. KEDA takes over one of its name that is there already, so that no pods go in between."""
    name, spec = autoscaler["metadata"]["name"], autoscaler["spec"]
    return manifest(
        SCALED_OBJECT,
        name,
        namespace=facts.namespace,
        labels=autoscaler["metadata"]["labels"],
        annotations={"scaledobject.keda.sh/transfer-hpa-ownership": "true"},
        spec={
            "scaleTargetRef": spec["scaleTargetRef"],
            "minReplicaCount": spec["minReplicas"],
            "maxReplicaCount": spec["maxReplicas"],
            "pollingInterval": _POLL_SECONDS,
            # Counts from the last request until there are no pods, which is only for those who set minReplicaCount to 0.
            "cooldownPeriod": spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"],
            # Without numbers nobody knows whether there is load: pods are kept, and never fewer than usual.
            "fallback": {"failureThreshold": _FAILURES, "replicas": spec["minReplicas"], "behavior": "currentReplicasIfHigher"},
            "advanced": {"horizontalPodAutoscalerConfig": {"name": name, "behavior": spec["behavior"]}},
            "triggers": [_trigger(facts, model, name)],
        },
    )


def _trigger(facts: ExportFacts, model: ServiceSpec, name: str) -> dict[str, Any]:
    series = f'{Metrics.IN_FLIGHT.name}{{{_in(facts.namespace)},service="{name}",model="{model.env[Env.MODEL]}"}}'
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": facts.prometheus_url,
            # Requests come and go between two scrapes. `and`: a pod that has gone no longer counts, or each rollout would look like load.
            "query": f"sum(avg_over_time({series}[1m]) and {series})",
            "threshold": str(max(1, int(str(model.env[Env.MAX_CONCURRENCY])) // _SHARE)),
            "ignoreNullValues": "false",  # no answer is no reason to scale down
        },
    }


def _in(namespace: str) -> str:
    return f'namespace="{namespace}"'
