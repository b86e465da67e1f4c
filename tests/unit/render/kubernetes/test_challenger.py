"""A challenger: the same service beside the champion, with a share of the requests, told apart wherever it is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.challenger import challenger_bundle
from mlsandbox.render.kubernetes.names import further_name
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox_serving.contract import Env
from support.exported import exported, image, inputs
from support.manifests import Manifest, matches, of_kind, pod, pod_labels
from support.pod_variables import variables

MODELS = ("default-risk", "fraud", "income")
NGINX = "nginx.ingress.kubernetes.io"


def production(*chosen: str, **changes: Any) -> dict[str, dict[str, Manifest]]:
    """The objects of production with these components: kind, then name."""
    export, _ = exported("three-models", whole=True, chosen=chosen, **changes)
    return by_kind(export)


@pytest.fixture(scope="module")
def beside() -> dict[str, dict[str, Manifest]]:
    return production("challenger")


def test_a_challenger_has_all_that_its_champion_has(beside: dict[str, dict[str, Manifest]]) -> None:
    for kind in ("ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"):
        assert {f"{name}-challenger" for name in MODELS} <= beside[kind].keys()
    for name in MODELS:
        champion, challenger = (beside["Deployment"][each] for each in (name, f"{name}-challenger"))
        first, second = (pod(each)["containers"][0] for each in (champion, challenger))
        assert first["image"] == image(name)
        assert second["image"] == image(f"{name}-next")
        for part in ("args", "ports", "resources", "securityContext", "startupProbe", "readinessProbe", "livenessProbe"):
            assert first[part] == second[part], part


def test_they_are_told_apart_by_labels_and_never_chosen_together(beside: dict[str, dict[str, Manifest]]) -> None:
    pods = {name: pod_labels(each) for name, each in beside["Deployment"].items()}
    for name in MODELS:
        for each in (name, f"{name}-challenger"):
            for kind in ("Service", "Deployment", "PodDisruptionBudget", "NetworkPolicy"):
                spec = beside[kind][each]["spec"]
                chosen = spec["podSelector"] if kind == "NetworkPolicy" else spec["selector"]
                wanted = {"matchLabels": chosen} if kind == "Service" else chosen
                assert [found for found, labels in pods.items() if matches(wanted, labels)] == [each], kind
        component, version = "app.kubernetes.io/component", "app.kubernetes.io/version"
        assert pods[f"{name}-challenger"][component] == "challenger"
        assert pods[f"{name}-challenger"][version] != pods[name][version]


def test_its_version_is_its_own() -> None:
    found = production("challenger", versions=("fraud=v3", "fraud/challenger=v4"))
    everything = [each for objects in found.values() for each in objects.values()]
    assert not any(Env.VERSION in variables(found["Deployment"][name], everything) for name in ("fraud", "fraud-challenger"))
    labels = found["Deployment"]["fraud-challenger"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "v4"


def test_it_is_run_with_the_champions_settings(beside: dict[str, dict[str, Manifest]]) -> None:
    everything = [each for objects in beside.values() for each in objects.values()]
    for name in MODELS:
        champion, challenger = (variables(beside["Deployment"][each], everything) for each in (name, f"{name}-challenger"))
        assert {key: value for key, value in champion.items() if not key.startswith("SANDBOX_SINK_")} == challenger


def test_events_go_where_the_champions_go_whatever_components_there_are() -> None:
    for left_out in ((), ("drift",), ("drift", "logging")):
        found = production("challenger", left_out=left_out)
        everything = [each for objects in found.values() for each in objects.values()]
        for name in MODELS:
            champion, challenger = (
                variables(found["Deployment"][each], everything, "shipper")[Env.SINKS] for each in (name, f"{name}-challenger")
            )
            assert champion == challenger


def test_it_asks_for_keys_when_its_champion_does() -> None:
    for chosen in (("challenger",), ("challenger", "api-keys")):
        found = production(*chosen)
        everything = [each for objects in found.values() for each in objects.values()]
        for name in MODELS:
            told = [variables(found["Deployment"][each], everything).get(Env.API_KEYS_FILE) for each in (name, f"{name}-challenger")]
            assert told == (["/run/secrets/sandbox/api-keys"] * 2 if "api-keys" in chosen else [None] * 2)
            second = found["Deployment"][f"{name}-challenger"]
            assert "/run/secrets/sandbox" in {mount["mountPath"] for mount in pod(second)["containers"][0]["volumeMounts"]}
            secrets = [source["secret"] for volume in pod(second)["volumes"] for source in volume.get("projected", {}).get("sources", [])]
            assert {each["name"]: each["optional"] for each in secrets} == {
                **({"hash-key": False} if name == "fraud" else {}),
                "api-keys": True,
            }


@pytest.mark.parametrize("share", [0, 10, 100])
def test_routes_send_it_its_share(share: int) -> None:
    for each in production("challenger", "httproute", challenger_weight=share)["HTTPRoute"].values():
        (rule,) = each["spec"]["rules"]
        name = each["metadata"]["name"]
        assert {backend["name"]: backend["weight"] for backend in rule["backendRefs"]} == {name: 100 - share, f"{name}-challenger": share}


def test_ingress_nginx_sends_it_its_share() -> None:
    found = production("challenger", "ingress", challenger_weight=25)["Ingress"]
    for name in MODELS:
        champion, canary = found[name], found[f"{name}-challenger"]
        assert canary["metadata"]["annotations"] == {f"{NGINX}/canary": "true", f"{NGINX}/canary-weight": "25"}
        first, second = (each["spec"]["rules"][0] for each in (champion, canary))
        assert first["host"] == second["host"]
        assert [path["path"] for path in first["http"]["paths"]] == [path["path"] for path in second["http"]["paths"]]
        assert {path["backend"]["service"]["name"] for path in second["http"]["paths"]} == {f"{name}-challenger"}


def test_where_no_share_can_be_sent_that_is_told() -> None:
    spec, facts = inputs("three-models", whole=True, chosen=("challenger",))
    assert any("httproute" in each for each in challenger_bundle(spec, facts).todo)
    other = replace(facts, chosen=("challenger", "ingress"), ingress_class="traefik")
    bundle = challenger_bundle(spec, other)
    assert not of_kind(bundle.objects, "Ingress")
    assert any("httproute" in each for each in bundle.todo)
    balanced = challenger_bundle(spec, replace(facts, chosen=("challenger", "loadbalancer")))
    assert any("Load balancers send nothing" in each for each in balanced.todo)


def test_only_models_with_such_an_image_have_one() -> None:
    named = tuple(f"{name}={image(name)}" for name in (*MODELS, "fraud/challenger"))
    export, _ = exported("three-models", images=named, chosen=("challenger",))
    assert set(by_kind(export)["Deployment"]) == {*MODELS, "fraud-challenger"}


def test_a_model_that_is_called_like_a_challenger_keeps_its_name() -> None:
    spec, _ = inputs("two-models")
    first, second = (each for each in spec.services if each.component == "api")
    renamed = replace(second, env={**second.env, Env.MODEL: f"{first.env[Env.MODEL]}-challenger"})
    taken = replace(spec, services=tuple(renamed if each is second else each for each in spec.services))
    names = [further_name(taken, str(each.env[Env.MODEL]), "challenger") for each in (first, renamed)]
    assert len({*names, str(renamed.env[Env.MODEL])}) == 3


def by_kind(export: Export) -> dict[str, dict[str, Manifest]]:
    found: dict[str, dict[str, Manifest]] = {}
    for each in plain_objects(export, "production"):
        found.setdefault(each["kind"], {})[each["metadata"]["name"]] = each
    return found
