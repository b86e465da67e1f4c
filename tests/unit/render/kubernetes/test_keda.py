"""Scaling by requests in flight, instead of by the load of processors."""

from __future__ import annotations

import re

from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.components import Component
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.keda import keda_bundle
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.monitoring import servicemonitor_bundle
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import Env, Metrics
from support.exported import exported, inputs
from support.manifests import of_kind

CASE = "three-models"
PAIR = (Component("servicemonitor", servicemonitor_bundle), Component("keda", keda_bundle))


def _autoscalers(spec: StackSpec, facts: ExportFacts) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in of_kind(base_bundle(spec, facts).objects, "HorizontalPodAutoscaler")}


def test_it_takes_the_place_of_the_autoscalers() -> None:
    """Each autoscaler of the base must go, and its bounds, its target and its behaviour must stay."""
    spec, facts = inputs(CASE)
    autoscalers = _autoscalers(spec, facts)
    bundle = keda_bundle(spec, facts)

    assert {(each.kind, each.name) for each in bundle.removals} == {("HorizontalPodAutoscaler", name) for name in autoscalers}
    assert [each["metadata"]["name"] for each in bundle.objects] == list(autoscalers)
    for each in bundle.objects:
        replaced, spec_ = autoscalers[each["metadata"]["name"]]["spec"], each["spec"]
        assert spec_["scaleTargetRef"] == replaced["scaleTargetRef"]
        assert (spec_["minReplicaCount"], spec_["maxReplicaCount"]) == (replaced["minReplicas"], replaced["maxReplicas"])
        assert spec_["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == replaced["behavior"]


def test_an_autoscaler_that_is_there_is_taken_over() -> None:
    """KEDA refuses a target that has an autoscaler, unless it is told to take over the one of that name."""
    for each in keda_bundle(*inputs(CASE)).objects:
        assert each["metadata"]["annotations"] == {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
        assert each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == each["spec"]["scaleTargetRef"]["name"]


def test_without_numbers_pods_are_kept() -> None:
    """A Prometheus that does not answer, or knows nothing of the model, must scale nothing down."""
    for each in keda_bundle(*inputs(CASE)).objects:
        (trigger,) = each["spec"]["triggers"]
        fallback = each["spec"]["fallback"]

        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert trigger["metricType"] == "AverageValue"  # without it KEDA has no fallback
        assert fallback["behavior"] == "currentReplicasIfHigher"
        assert fallback["replicas"] == each["spec"]["minReplicaCount"]


def test_the_query_asks_for_one_model_of_one_namespace() -> None:
    """The metric must be one that services show, with the labels that its targets have."""
    spec, facts = inputs(CASE, prometheus_url="http://metrics.example.com")
    models = {str(each.env[Env.MODEL]): each for each in spec.services if each.component == "api"}

    for each, (model, service) in zip(keda_bundle(spec, facts).objects, models.items(), strict=True):
        metadata = each["spec"]["triggers"][0]["metadata"]
        name = each["metadata"]["name"]
        asked = set(re.findall(r"([a-z_]+)\{([^}]+)\}", metadata["query"]))

        assert asked == {(Metrics.IN_FLIGHT.name, f'namespace="{facts.namespace}",service="{name}",model="{model}"')}
        assert 1 <= int(metadata["threshold"]) < int(str(service.env[Env.MAX_CONCURRENCY]))
        assert metadata["serverAddress"] == "http://metrics.example.com"


def test_every_value_of_a_trigger_is_a_text() -> None:
    """KEDA takes texts alone there."""
    for each in keda_bundle(*inputs(CASE)).objects:
        assert {type(value) for value in each["spec"]["triggers"][0]["metadata"].values()} == {str}


def test_overlays_ask_for_their_own_pods() -> None:
    """In an overlay there must be no autoscaler beside it, its bounds must be the overlay's, and its query must name its namespace."""
    export, facts = exported("one-model", components=PAIR, chosen=("keda",))

    for name, namespace, bounds in (
        ("dev", f"{facts.namespace}-dev", (1, 2)),
        ("staging", f"{facts.namespace}-staging", (2, 4)),
        ("production", facts.namespace, (2, 10)),
    ):
        objects = plain_objects(export, name)
        (scaled,) = of_kind(objects, "ScaledObject")

        assert of_kind(objects, "HorizontalPodAutoscaler") == []
        assert set(re.findall(r'namespace="([^"]+)"', scaled["spec"]["triggers"][0]["metadata"]["query"])) == {namespace}
        assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == bounds
