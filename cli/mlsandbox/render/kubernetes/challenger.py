"""A second version of a model beside the first (pure): its own pods, to which routes send a share of the requests.

It is described by the same service. Its variables for sinks and keys are those of the first one's ConfigMap: what a component changes
there holds for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlsandbox.render.kubernetes.bundle import Bundle, Config, Manifest, Patch
from mlsandbox.render.kubernetes.exposure import (
    HTTP_ROUTE,
    INGRESS,
    LOAD_BALANCER,
    NGINX,
    WHOLE,
    admits,
    backend,
    by_nginx,
    ingress,
)
from mlsandbox.render.kubernetes.facts import CHALLENGER, ExportFacts
from mlsandbox.render.kubernetes.keys import with_optional_keys
from mlsandbox.render.kubernetes.model import server_objects
from mlsandbox.render.kubernetes.names import further_name, models, object_names
from mlsandbox.render.kubernetes.network import INGRESS_CONTROLLER
from mlsandbox.render.kubernetes.variables import SINK, config_name
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env


@dataclass(frozen=True, slots=True)
class Pair:
    """A model that has a challenger."""

    model: ServiceSpec
    champion: str
    """Name of its objects."""
    challenger: str
    image: str
    """Key in `ExportFacts.images`."""


def challenger_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The challengers of all models that have one, with their share of what is routed to the model."""
    pairs = list(_pairs(spec, facts))
    parts = [server_objects(spec, facts, pair.model, name=pair.challenger, image=pair.image, component=CHALLENGER) for pair in pairs]
    routed = _is_chosen(facts, HTTP_ROUTE)
    canary = _is_chosen(facts, INGRESS) and by_nginx(facts)
    objects = [_following(each, pair) for pair, part in zip(pairs, parts, strict=True) for each in part.objects]
    if canary:
        objects += [_canary(spec, facts, pair) for pair in pairs]
    named = ", ".join(str(pair.model.env[Env.MODEL]) for pair in pairs)
    return Bundle(
        CHALLENGER,
        f"A second version beside the one that answers, for {facts.challenger_weight} % of the requests: {named}.",
        objects=tuple(objects),
        configs=tuple(_without_sinks(each) for part in parts for each in part.configs),
        patches=(
            *((_weights(facts, pair) for pair in pairs) if routed else ()),
            *(admits(pair.challenger, namespace) for pair in pairs for namespace in _forwarding(facts, routed=routed, canary=canary)),
        ),
        todo=tuple(_todo(facts, routed=routed, canary=canary)),
        after=(*((HTTP_ROUTE,) if routed else ()), *((INGRESS,) if canary else ())),
    )


def challenger_images(spec: StackSpec, _facts: ExportFacts) -> tuple[str, ...]:
    """The keys of images of which one has to be known for it."""
    return tuple(f"{model.env[Env.MODEL]}/{CHALLENGER}" for model in models(spec))


def _pairs(spec: StackSpec, facts: ExportFacts) -> Iterator[Pair]:
    names = object_names(spec)
    for model, image in zip(models(spec), challenger_images(spec, facts), strict=True):
        if image in facts.images:
            champion = names[model.name]
            yield Pair(model, champion, further_name(spec, champion, CHALLENGER), image)


def _following(manifest: Manifest, pair: Pair) -> Manifest:
    """A Deployment whose containers take what components change from the champion's ConfigMap."""
    if manifest["kind"] != "Deployment":
        return manifest
    template = manifest["spec"]["template"]
    pod = template["spec"]
    followed = {
        **pod,
        "initContainers": [_follow(each, pair) for each in pod["initContainers"]],
        "containers": [_follow(each, pair) for each in pod["containers"]],
    }
    made = {**manifest["spec"], "template": {**template, "spec": followed}}
    return with_optional_keys({**manifest, "spec": made}, config_name(pair.champion))


def _follow(container: Manifest, pair: Pair) -> Manifest:
    return {**container, "env": [_entry(each, pair) for each in container["env"]]} if "env" in container else container


def _entry(variable: Mapping[str, Any], pair: Pair) -> dict[str, Any]:
    reference = variable.get("valueFrom", {}).get("configMapKeyRef")
    if reference is None or reference["name"] != config_name(pair.challenger):
        return dict(variable)
    return {**variable, "valueFrom": {"configMapKeyRef": {**reference, "name": config_name(pair.champion)}}}


def _without_sinks(config: Config) -> Config:
    """Sinks are the champion's: said here too they would be a second truth, which nothing changes."""
    return Config(config.name, {key: value for key, value in config.data.items() if not key.startswith(SINK)}, files=config.files)


def _weights(facts: ExportFacts, pair: Pair) -> Patch:
    share = facts.challenger_weight
    backends = [backend(pair.champion, WHOLE - share), backend(pair.challenger, share)]
    return Patch("HTTPRoute", pair.champion, ({"op": "replace", "path": "/spec/rules/0/backendRefs", "value": backends},))


def _canary(spec: StackSpec, facts: ExportFacts, pair: Pair) -> Manifest:
    """Of the same host and paths, and in nothing but its share another one (ingress-nginx, Annotations: Canary)."""
    annotations = {f"{NGINX}/canary": "true", f"{NGINX}/canary-weight": str(facts.challenger_weight)}
    return ingress(spec, facts, pair.model, name=pair.challenger, target=pair.challenger, annotations=annotations)


def _forwarding(facts: ExportFacts, *, routed: bool, canary: bool) -> Iterator[str]:
    """Namespaces whose pods bring the challengers' share of the requests."""
    if canary:
        yield INGRESS_CONTROLLER
    if routed:
        yield facts.gateway.partition("/")[0]


def _is_chosen(facts: ExportFacts, component: str) -> bool:
    return component in facts.chosen and component not in facts.left_out


def _todo(facts: ExportFacts, *, routed: bool, canary: bool) -> Iterator[str]:
    if not routed and not canary:
        yield (
            "Challengers get no requests but those that are sent to their Services: for a share of all export with "
            f"--with {CHALLENGER},{HTTP_ROUTE}, or with {INGRESS} and the Ingress class of ingress-nginx, the community's controller."
        )
    if _is_chosen(facts, LOAD_BALANCER):
        yield "Load balancers send nothing to challengers: a Service has no weights."
