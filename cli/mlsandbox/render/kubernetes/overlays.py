"""The environments of an export (pure): which components each one has, and between how many pods its models move."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest, Overlay, Patch
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.keda import namespace_patches
from mlsandbox.stack.parts import ELASTICSEARCH

DEV: Final = "dev"
STAGING: Final = "staging"
PRODUCTION: Final = "production"
USUAL: Final = ("drift", "logging")
"""Components that overlays have without being asked, when they can be had."""
DEV_STORE: Final = ELASTICSEARCH
"""What stores events in dev, where no other Elasticsearch is at hand."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many pods a model moves."""

    least: int
    most: int


BOUNDS: Final[Mapping[str, Bounds | None]] = {DEV: Bounds(1, 2), STAGING: Bounds(2, 4), PRODUCTION: None}
"""By overlay; None: as the base has it."""
BOUND_PATHS: Final = {
    "HorizontalPodAutoscaler": ("/spec/minReplicas", "/spec/maxReplicas"),
    "ScaledObject": ("/spec/minReplicaCount", "/spec/maxReplicaCount"),
}
"""Where objects that change the number of pods have their bounds."""


def overlays(base: Bundle, components: Sequence[Bundle], chosen: Collection[str], facts: ExportFacts) -> tuple[Overlay, ...]:
    """All of them.

    Args:
        base: the base.
        components: those that can be had, in the order in which they are applied.
        chosen: names of those that every overlay has.
        facts: the facts.
    """
    made = []
    for name, bounds in BOUNDS.items():
        has = [each for each in components if each.name in chosen or _has_too(name, each.name, chosen, facts)]
        namespace = namespace_of(facts.namespace, name)
        scaled = scaled_by(base, has)
        bounded = () if bounds is None else bounds_patches(scaled, bounds)
        made.append(Overlay(name, namespace, tuple(each.name for each in has), patches=(*bounded, *namespace_patches(scaled, namespace))))
    return tuple(made)


def namespace_of(production: str, overlay: str) -> str:
    """The namespace of an overlay, given that of production."""
    return production if overlay == PRODUCTION else f"{production}-{overlay}"


def scaled_by(base: Bundle, components: Iterable[Bundle]) -> list[Manifest]:
    """The objects that change the number of pods, once the components are there."""
    bundles = (base, *components)
    removed = {(each.kind, each.name) for bundle in bundles for each in bundle.removals}
    return [
        each
        for bundle in bundles
        for each in bundle.objects
        if each["kind"] in BOUND_PATHS and (each["kind"], each["metadata"]["name"]) not in removed
    ]


def bounds_patches(objects: Iterable[Manifest], bounds: Bounds) -> tuple[Patch, ...]:
    """The patches that give them these bounds."""
    return tuple(
        Patch(
            each["kind"],
            each["metadata"]["name"],
            tuple(
                {"op": "replace", "path": path, "value": value}
                for path, value in zip(BOUND_PATHS[each["kind"]], (bounds.least, bounds.most), strict=True)
            ),
        )
        for each in objects
    )


def _has_too(overlay: str, component: str, chosen: Collection[str], facts: ExportFacts) -> bool:
    return overlay == DEV and component == DEV_STORE and "logging" in chosen and component not in facts.left_out
