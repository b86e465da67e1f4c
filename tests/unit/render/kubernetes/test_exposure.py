"""How models are reached from outside: what is routed, what is not, and within which limits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlsandbox.render.kubernetes.bundle import Bundle
from mlsandbox.render.kubernetes.exposure import httproute_bundle, ingress_bundle, loadbalancer_bundle
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import Env, Route
from support.exported import exported, inputs
from support.manifests import Manifest, matches, of_kind, pod_labels

NGINX = "nginx.ingress.kubernetes.io"
HIDDEN = {Route.METRICS, Route.LIVE, Route.READY, "/predict/more", "/schemas", "/docs"}


@pytest.fixture(scope="module")
def three() -> tuple[StackSpec, ExportFacts]:
    return inputs("three-models")


def test_each_model_has_its_own_host_over_tls(three: tuple[StackSpec, ExportFacts]) -> None:
    spec, facts = three
    found = objects(ingress_bundle(spec, replace(facts, domain="models.example.org")), "Ingress")

    assert {name: each["spec"]["rules"][0]["host"] for name, each in found.items()} == {
        name: f"{name}.models.example.org" for name in ("default-risk", "fraud", "income")
    }
    for name, each in found.items():
        assert each["spec"]["tls"] == [{"hosts": [f"{name}.models.example.org"], "secretName": f"{name}-tls"}]
        assert each["spec"]["ingressClassName"] == "nginx"


def test_an_ingress_routes_what_is_for_clients_and_nothing_else(three: tuple[StackSpec, ExportFacts]) -> None:
    for each in objects(ingress_bundle(*three), "Ingress").values():
        paths = each["spec"]["rules"][0]["http"]["paths"]
        routed = {path["path"] for path in paths if path["pathType"] == "Exact"}
        below = {path["path"] for path in paths if path["pathType"] == "Prefix"}
        assert routed == {Route.PAGE, Route.PREDICT, Route.FEEDBACK, Route.SCHEMA}
        assert below == {Route.V2}
        assert not routed & HIDDEN
        assert not any(path == prefix or path.startswith(f"{prefix}/") for path in HIDDEN for prefix in below)


def test_ingress_nginx_must_take_every_path() -> None:
    """Since 1.12 it refuses an Ingress, whole, for one path of other characters than these; a challenger's is held to the same."""
    export, _ = exported("three-models", whole=True)
    found = of_kind(plain_objects(export, "production"), "Ingress")
    assert len(found) == 6
    for each in found:
        for path in each["spec"]["rules"][0]["http"]["paths"]:
            assert re.fullmatch(r"/[A-Za-z0-9/_-]*", path["path"]), path


def test_what_an_ingress_leaves_out_is_told(three: tuple[StackSpec, ExportFacts]) -> None:
    assert any(Route.OPENAPI in each and "httproute" in each for each in ingress_bundle(*three).todo)


def test_whoever_chooses_ingress_nginx_is_told_that_nobody_mends_it(three: tuple[StackSpec, ExportFacts]) -> None:
    bundle = ingress_bundle(*three)
    assert "retired" in bundle.todo[0]
    assert "httproute" in bundle.todo[0]
    assert "httproute" in bundle.summary
    assert any("only the community's controller ingress-nginx reads" in each for each in bundle.todo)


@pytest.mark.parametrize(("name", "namespaces"), [("", []), ("ingress", ["ingress-nginx"]), ("httproute", ["infra"])])
def test_only_a_way_in_that_was_chosen_opens_the_policies(name: str, namespaces: list[str]) -> None:
    """Requests of other namespaces' pods must be let in by the component that brings them, at the port for requests alone."""
    export, _ = exported("three-models", whole=True, chosen=tuple(filter(None, (name, "challenger"))), gateway="infra/public")
    objects = plain_objects(export, "production")
    for workload in of_kind(objects, "Deployment"):
        if workload["metadata"]["labels"]["app.kubernetes.io/component"] not in ("server", "challenger"):
            continue
        (policy,) = [each for each in of_kind(objects, "NetworkPolicy") if each["metadata"]["name"] == workload["metadata"]["name"]]
        own, monitoring, *further = policy["spec"]["ingress"]
        assert own["from"] == [{"podSelector": {}}]
        assert _namespaces(monitoring) == ["monitoring"]
        assert [each for rule in further for each in _namespaces(rule)] == namespaces, policy["metadata"]["name"]
        assert [port["port"] for rule in further for port in rule["ports"]] == ["http"] * len(namespaces)


def test_a_route_routes_the_same(three: tuple[StackSpec, ExportFacts]) -> None:
    for each in objects(httproute_bundle(*three), "HTTPRoute").values():
        (rule,) = each["spec"]["rules"]
        kinds = {match["path"]["value"]: match["path"]["type"] for match in rule["matches"]}
        assert kinds == {
            **dict.fromkeys((Route.PAGE, Route.PREDICT, Route.FEEDBACK, Route.SCHEMA, Route.OPENAPI), "Exact"),
            Route.V2: "PathPrefix",
        }
        assert len(rule["matches"]) <= 8  # what every version of the Gateway API allows


def test_requests_get_to_the_service_of_the_model(three: tuple[StackSpec, ExportFacts]) -> None:
    services = objects(base_bundle(*three), "Service")
    for name, each in objects(ingress_bundle(*three), "Ingress").items():
        for path in each["spec"]["rules"][0]["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend["name"] == name
            assert backend["port"]["name"] in {port["name"] for port in services[name]["spec"]["ports"]}
    for name, each in objects(httproute_bundle(*three), "HTTPRoute").items():
        (backend,) = each["spec"]["rules"][0]["backendRefs"]
        assert (backend["name"], backend["weight"]) == (name, 100)
        assert backend["port"] in {port["port"] for port in services[name]["spec"]["ports"] if port["name"] == "http"}


def test_a_proxy_lets_through_what_the_model_takes_and_waits_longer_than_it(three: tuple[StackSpec, ExportFacts]) -> None:
    found = objects(ingress_bundle(*three), "Ingress")["income"]["metadata"]["annotations"]
    assert found == {
        f"{NGINX}/proxy-body-size": "1000000",
        f"{NGINX}/proxy-read-timeout": "10",
        f"{NGINX}/proxy-send-timeout": "10",
    }
    (rule,) = objects(httproute_bundle(*three), "HTTPRoute")["income"]["spec"]["rules"]
    assert rule["timeouts"] == {"request": "10s"}


@pytest.mark.parametrize(
    ("seconds", "told"), [("0.25", "6s"), ("29.5", "35s"), ("99994", "99999s"), ("99995", "1667m"), ("200000", "3334m")]
)
def test_a_routes_timeout_is_written_as_the_gateway_api_reads_it(seconds: str, told: str) -> None:
    spec, facts = inputs("one-model")
    services = tuple(
        replace(each, env={**each.env, Env.TIMEOUT_SECONDS: seconds}) if Env.TIMEOUT_SECONDS in each.env else each for each in spec.services
    )
    (route,) = objects(httproute_bundle(replace(spec, services=services), facts), "HTTPRoute").values()
    assert route["spec"]["rules"][0]["timeouts"]["request"] == told


def test_another_controller_is_given_no_words_that_it_does_not_know(three: tuple[StackSpec, ExportFacts]) -> None:
    spec, facts = three
    bundle = ingress_bundle(spec, replace(facts, ingress_class="traefik"))
    assert all("annotations" not in each["metadata"] for each in bundle.objects)
    assert any("traefik" in each and "limits" in each for each in bundle.todo)


def test_a_route_belongs_to_the_gateway_that_was_named(three: tuple[StackSpec, ExportFacts]) -> None:
    spec, facts = three
    for each in objects(httproute_bundle(spec, replace(facts, gateway="infra/public")), "HTTPRoute").values():
        (parent,) = each["spec"]["parentRefs"]
        assert (parent["namespace"], parent["name"]) == ("infra", "public")


def test_a_load_balancer_lets_nobody_in_until_it_is_told_whom(three: tuple[StackSpec, ExportFacts]) -> None:
    bundle = loadbalancer_bundle(*three)
    policies = objects(bundle, "NetworkPolicy")
    for name, each in objects(bundle, "Service").items():
        assert each["spec"]["type"] == "LoadBalancer"
        assert each["spec"]["externalTrafficPolicy"] == "Local"
        assert each["spec"]["allocateLoadBalancerNodePorts"] is False
        ranges = each["spec"]["loadBalancerSourceRanges"]
        assert ranges == ["203.0.113.0/24"]
        (rule,) = policies[name]["spec"]["ingress"]
        assert [peer["ipBlock"]["cidr"] for peer in rule["from"]] == ranges
        assert [port["port"] for port in rule["ports"]] == ["http"]
    assert any("203.0.113.0/24" in each for each in bundle.todo)
    assert any("/metrics" in each for each in bundle.todo)


def test_a_load_balancer_finds_the_pods_and_no_monitor_finds_the_load_balancer(three: tuple[StackSpec, ExportFacts]) -> None:
    base = base_bundle(*three)
    pods = {each["metadata"]["name"]: pod_labels(each) for each in of_kind(base.objects, "Deployment")}
    services = objects(base, "Service")
    for name, each in objects(loadbalancer_bundle(*three), "Service").items():
        model = name.removesuffix("-external")
        assert [found for found, labels in pods.items() if matches({"matchLabels": each["spec"]["selector"]}, labels)] == [model]
        own = services[model]["metadata"]["labels"]
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] != own["app.kubernetes.io/name"]


@pytest.mark.parametrize("name", ["ingress", "httproute", "loadbalancer"])
def test_nothing_is_reached_from_outside_without_a_key(name: str) -> None:
    export, _ = exported("three-models", chosen=(name,))
    assert all("api-keys" in each.components for each in export.overlays)
    for each in of_kind(plain_objects(export, "production"), "Deployment"):
        server = each["spec"]["template"]["spec"]["containers"][0]
        assert "secrets" in {mount["name"] for mount in server["volumeMounts"]}


def _namespaces(rule: Manifest) -> list[str]:
    return [name for peer in rule["from"] for term in peer["namespaceSelector"]["matchExpressions"] for name in term["values"]]


def objects(bundle: Bundle, kind: str) -> dict[str, Manifest]:
    """The bundle's objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in of_kind(bundle.objects, kind)}
