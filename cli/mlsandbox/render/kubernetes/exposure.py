"""How models are reached from outside of the cluster (pure): by an Ingress, by routes of a Gateway, or by a load balancer each.

Only what is meant for clients is routed: /metrics, /livez and /readyz, which ask for no key, are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest, Patch
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.model import SERVER
from mlsandbox.render.kubernetes.names import further_name, image_key, image_version, labels, models, object_names, selector
from mlsandbox.render.kubernetes.network import INGRESS_CONTROLLER, pods_in, reached_by
from mlsandbox.render.kubernetes.workload import HTTP_PORT
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env, Route

INGRESS: Final = "ingress"
HTTP_ROUTE: Final = "httproute"
LOAD_BALANCER: Final = "loadbalancer"
NEEDED: Final = ("api-keys",)
"""Nothing is reached from outside without a key."""
NGINX: Final = "nginx.ingress.kubernetes.io"
WHOLE: Final = 100
"""The weight of the only backend of a route."""
EXACT: Final = (Route.PAGE, Route.PREDICT, Route.FEEDBACK, Route.SCHEMA, Route.OPENAPI)
PREFIXES: Final = (Route.V2,)
_ROUTES_ALONE: Final = frozenset({Route.OPENAPI})
"""Paths that no Ingress has: ingress-nginx refuses a whole Ingress with one that is not of letters, digits, "/", "_" and "-" alone
(its setting strict-validate-path-type, on since 1.12)."""
_MARGIN_SECONDS: Final = 5
"""A proxy waits longer than the service itself, whose answer says more than the proxy's."""
_LARGEST: Final = 100_000
_NOBODY: Final = "203.0.113.0/24"
"""Addresses that nobody has (RFC 5737): the load balancer lets nobody in until those of the clients are put here."""
_EXTERNAL: Final = "external"
_HTTP: Final = "http"
"""The port of a model."""


def ingress_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """An Ingress for each model."""
    names = object_names(spec)
    hosts = ", ".join(host(names[model.name], facts) for model in models(spec))
    controller = (
        "The limits for bodies and for time are annotations that only the community's controller ingress-nginx reads: where the Ingress "
        f"class {facts.ingress_class} is another controller's, also one of NGINX, there are none until it is given them in its own words."
        if by_nginx(facts)
        else f"Give the controller of the Ingress class {facts.ingress_class} the models' limits for bodies and for time, in its own words."
    )
    return Bundle(
        INGRESS,
        f"Each model at its own host below {facts.domain}, over TLS, by an Ingress; where there is a Gateway, prefer {HTTP_ROUTE}.",
        objects=tuple(
            ingress(spec, facts, model, name=names[model.name], target=names[model.name], annotations=nginx_limits(model, facts))
            for model in models(spec)
        ),
        patches=tuple(admits(names[model.name], INGRESS_CONTROLLER) for model in models(spec)),
        todo=(
            (
                "ingress-nginx was retired in March 2026 and gets no more fixes, not of security either: prefer a Gateway "
                f"({HTTP_ROUTE}), or a controller that is maintained."
            ),
            f"Names in DNS have to lead to the Ingress controller: {hosts}.",
            (
                f"Network policies admit requests from the namespace {INGRESS_CONTROLLER}: where the controller runs in another one, "
                "replace that in each model's NetworkPolicy, by a patch in the overlay."
            ),
            (
                "TLS needs a certificate in the secret of each Ingress: cert-manager puts it there when the Ingress has the annotation "
                "cert-manager.io/cluster-issuer: NAME, which a patch in the overlay adds; else kubectl create secret tls."
            ),
            controller,
            (
                f"{Route.OPENAPI} is in no Ingress: ingress-nginx 1.12 and later refuse one whose paths have a dot. {HTTP_ROUTE} has it, "
                "and so has the Service."
            ),
        ),
        after=NEEDED,
    )


def httproute_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """An HTTPRoute for each model."""
    names = object_names(spec)
    hosts = ", ".join(host(names[model.name], facts) for model in models(spec))
    namespace, _, gateway = facts.gateway.partition("/")
    return Bundle(
        HTTP_ROUTE,
        f"Each model at its own host below {facts.domain}, by routes of the Gateway {facts.gateway}.",
        objects=tuple(_route(spec, facts, model, names[model.name]) for model in models(spec)),
        patches=tuple(admits(names[model.name], namespace) for model in models(spec)),
        todo=(
            (
                f"The Gateway {gateway} in the namespace {namespace} needs an HTTPS listener for {hosts} that takes routes from this "
                "namespace (allowedRoutes), and names in DNS that lead to it."
            ),
            (
                f"Network policies admit requests from the namespace {namespace}: where the Gateway's proxies run in another one, "
                "replace that in each model's NetworkPolicy, by a patch in the overlay."
            ),
            "An HTTPRoute has no bound for bodies: the model itself refuses larger ones.",
        ),
        after=NEEDED,
    )


def loadbalancer_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """A Service of type LoadBalancer for each model, with the network policy that lets its clients in."""
    return Bundle(
        LOAD_BALANCER,
        "A load balancer for each model.",
        objects=tuple(_external(spec, facts)),
        todo=(
            (
                f"Load balancers let nobody in until the addresses of your clients are in loadBalancerSourceRanges of the Services and in "
                f"cidr of the NetworkPolicies in place of {_NOBODY}: patch both in the overlay."
            ),
            (
                "They forward plain HTTP, keys included, and every path, /metrics included: let the provider's annotations end TLS there, "
                "or use ingress or httproute in their place."
            ),
            (
                "They have no node ports: the provider has to forward to nodes or pods by itself (on AWS: targets by IP); "
                "where it cannot, set allocateLoadBalancerNodePorts to true."
            ),
        ),
        after=NEEDED,
    )


def admits(policy: str, namespace: str) -> Patch:
    """Lets requests of another namespace's pods in, by a further rule of a model's policy."""
    return Patch(
        "NetworkPolicy", policy, ({"op": "add", "path": "/spec/ingress/-", "value": reached_by([pods_in((namespace,))], [_HTTP])},)
    )


def host(name: str, facts: ExportFacts) -> str:
    """Where a model is reached."""
    return f"{name}.{facts.domain}"


def by_nginx(facts: ExportFacts) -> bool:
    """Whether the Ingress class is, by its name, one of ingress-nginx; no other controller reads its annotations."""
    return "nginx" in facts.ingress_class


def ingress(
    spec: StackSpec, facts: ExportFacts, model: ServiceSpec, *, name: str, target: str, annotations: dict[str, str] | None
) -> Manifest:
    """An Ingress of a model.

    Args:
        spec: the stack.
        facts: domain and class.
        model: the model service.
        name: of the Ingress.
        target: name of the Service that gets the requests.
        annotations: of its controller.
    """
    own = object_names(spec)[model.name]
    backend = {"service": {"name": target, "port": {"name": _HTTP}}}
    exact = [each for each in EXACT if each not in _ROUTES_ALONE]
    kinds = {**dict.fromkeys(exact, "Exact"), **dict.fromkeys(PREFIXES, "Prefix")}
    return manifest(
        "Ingress",
        name,
        namespace=facts.namespace,
        labels=exposure_labels(spec, facts, model, name, INGRESS),
        annotations=annotations,
        spec={
            "ingressClassName": facts.ingress_class,
            "tls": [{"hosts": [host(own, facts)], "secretName": f"{own}-tls"}],
            "rules": [
                {
                    "host": host(own, facts),
                    "http": {"paths": [{"path": path, "pathType": kind, "backend": backend} for path, kind in kinds.items()]},
                }
            ],
        },
    )


def nginx_limits(model: ServiceSpec, facts: ExportFacts) -> dict[str, str] | None:
    """What ingress-nginx must let through (its annotations are texts, a size without a unit is in bytes)."""
    if not by_nginx(facts):
        return None
    seconds = str(math.ceil(_seconds(model)))
    return {
        f"{NGINX}/proxy-body-size": str(model.env[Env.MAX_BODY_BYTES]),
        f"{NGINX}/proxy-read-timeout": seconds,
        f"{NGINX}/proxy-send-timeout": seconds,
    }


def backend(name: str, weight: int) -> dict[str, Any]:
    """A backend of a route."""
    return {"group": "", "kind": "Service", "name": name, "port": HTTP_PORT, "weight": weight}


def exposure_labels(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str, component: str) -> dict[str, str]:
    """The labels of an object in front of a model, which are not those of its pods: a monitor must not take it for their Service."""
    key = image_key(model)
    version = image_version(facts.images[key], facts.versions.get(key, ""))
    return labels(name, component, project=spec.project, version=version)


def _route(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, name: str) -> Manifest:
    namespace, _, gateway = facts.gateway.partition("/")
    kinds = {**dict.fromkeys(EXACT, "Exact"), **dict.fromkeys(PREFIXES, "PathPrefix")}
    return manifest(
        "HTTPRoute",
        name,
        namespace=facts.namespace,
        labels=exposure_labels(spec, facts, model, name, HTTP_ROUTE),
        spec={
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": gateway}],
            "hostnames": [host(name, facts)],
            "rules": [
                {
                    "matches": [{"path": {"type": kind, "value": path}} for path, kind in kinds.items()],
                    "backendRefs": [backend(name, WHOLE)],
                    "timeouts": {"request": _duration(_seconds(model))},
                }
            ],
        },
    )


def _external(spec: StackSpec, facts: ExportFacts) -> Iterator[Manifest]:
    names = object_names(spec)
    for model in models(spec):
        own = names[model.name]
        name = further_name(spec, own, _EXTERNAL)
        found = exposure_labels(spec, facts, model, name, _EXTERNAL)
        yield manifest(
            "Service",
            name,
            namespace=facts.namespace,
            labels=found,
            spec={
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "externalTrafficPolicy": "Local",
                "loadBalancerSourceRanges": [_NOBODY],
                "selector": selector(own, SERVER),
                "ports": [{"name": _HTTP, "port": HTTP_PORT, "targetPort": _HTTP, "protocol": "TCP"}],
            },
        )
        yield manifest(
            "NetworkPolicy",
            name,
            namespace=facts.namespace,
            labels=found,
            spec={
                "podSelector": {"matchLabels": selector(own, SERVER)},
                "policyTypes": ["Ingress"],
                "ingress": [reached_by([{"ipBlock": {"cidr": _NOBODY}}], [_HTTP])],
            },
        )


def _duration(seconds: float) -> str:
    """As routes have it (GEP-2257): whole numbers of at most five digits."""
    return f"{whole}s" if (whole := math.ceil(seconds)) < _LARGEST else f"{math.ceil(seconds / 60)}m"


def _seconds(model: ServiceSpec) -> float:
    return float(str(model.env[Env.TIMEOUT_SECONDS])) + _MARGIN_SECONDS
