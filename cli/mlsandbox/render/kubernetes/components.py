"""The optional components of an export, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mlsandbox.render.kubernetes.bundle import Bundle, Missing
from mlsandbox.render.kubernetes.challenger import challenger_bundle, challenger_images
from mlsandbox.render.kubernetes.delivery import model_oci_bundle, model_pvc_bundle, package_images, pvc_obstacle
from mlsandbox.render.kubernetes.drift import drift_bundle, drift_images
from mlsandbox.render.kubernetes.elasticsearch import elasticsearch_bundle
from mlsandbox.render.kubernetes.exposure import httproute_bundle, ingress_bundle, loadbalancer_bundle
from mlsandbox.render.kubernetes.facts import IMAGE_VOLUMES, OLDEST, ExportFacts
from mlsandbox.render.kubernetes.fluentd import logging_bundle, logging_images
from mlsandbox.render.kubernetes.keda import keda_bundle
from mlsandbox.render.kubernetes.keys import api_keys_bundle, external_secrets_bundle
from mlsandbox.render.kubernetes.monitoring import dashboards_bundle, prometheusrule_bundle, servicemonitor_bundle
from mlsandbox.stack.spec import StackSpec


@dataclass(frozen=True, slots=True)
class Component:
    """One of them, and what it takes to have it."""

    name: str
    """As in `--with`."""
    build: Callable[[StackSpec, ExportFacts], Bundle]
    images: Callable[[StackSpec, ExportFacts], Sequence[str]] = lambda _spec, _facts: ()
    """Keys of images of which one has to be known; none: it needs no image that has to be named."""
    release: tuple[int, int] = OLDEST
    """The oldest Kubernetes that it works with."""
    instead_of: tuple[str, ...] = ()
    """Components that do the same in another way: one overlay has only one of them."""
    obstacle: Callable[[StackSpec, ExportFacts], Missing | None] = lambda _spec, _facts: None
    """What else keeps it from being had, "why: what helps"; empty when nothing does."""
    all_images: bool = False
    """Whether all of these images have to be known."""
    images_of: str = ""
    """The component that these images are of, when that is another one, which this one needs."""


COMPONENTS: Final = (
    Component("drift", drift_bundle, images=drift_images),
    Component("logging", logging_bundle, images=logging_images, all_images=True),
    Component("external-secrets", external_secrets_bundle),
    Component("elasticsearch", elasticsearch_bundle, images=logging_images, all_images=True, images_of="logging"),
    Component("servicemonitor", servicemonitor_bundle),
    Component("prometheusrule", prometheusrule_bundle),
    Component("grafana-dashboards", dashboards_bundle),
    Component("keda", keda_bundle),
    Component("api-keys", api_keys_bundle),
    Component("httproute", httproute_bundle),
    Component("ingress", ingress_bundle),
    Component("loadbalancer", loadbalancer_bundle),
    Component("challenger", challenger_bundle, images=challenger_images),
    Component("model-pvc", model_pvc_bundle, obstacle=pvc_obstacle),
    Component("model-oci", model_oci_bundle, images=package_images, release=IMAGE_VOLUMES, instead_of=("model-pvc",)),
)
