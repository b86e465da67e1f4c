"""An export as a whole (pure): the base, the components that can be had, and the overlays that choose among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlsandbox.errors import UsageError
from mlsandbox.render.kubernetes.bundle import Bundle, Export
from mlsandbox.render.kubernetes.components import COMPONENTS, Component
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.names import image_key, models
from mlsandbox.render.kubernetes.overlays import USUAL, overlays
from mlsandbox.stack.spec import StackSpec


def build_export(spec: StackSpec, facts: ExportFacts, components: Sequence[Component] = COMPONENTS) -> Export:
    """The export.

    Raises:
        UsageError: the image of a model is not known, or components were chosen that cannot be had, or not together.
    """
    unknown = [key for key in map(image_key, models(spec)) if key not in facts.images]
    if unknown:
        raise UsageError(
            f"there is no image of {', '.join(unknown)}",
            why="A cluster gets models as images from a registry; which one holds the model has to be said.",
            fix=_name_image(unknown[0]),
            details={"models": unknown},
        )
    missing = {each.name: reason for each in components if (reason := _missing(each, spec, facts))}
    _refuse_unknown(facts, components)
    _refuse_missing(facts, missing)
    base = base_bundle(spec, facts)
    built = tuple(each.build(spec, facts) for each in components if each.name not in missing)
    chosen = _chosen(facts, built, missing)
    _refuse_rivals(components, chosen)
    return Export(base, built, overlays(base, built, chosen, facts), missing)


def _missing(component: Component, spec: StackSpec, facts: ExportFacts) -> str:
    """What the component needs and what is not there; empty when it can be had."""
    keys = component.images(spec, facts)
    if keys and not any(key in facts.images for key in keys):
        return f"its image is not known: {_name_image(keys[0])}"
    if facts.release < component.release:
        oldest = ".".join(map(str, component.release))
        return f"it needs Kubernetes {oldest}, and manifests are made for {facts.label}: sandbox export k8s --k8s-version {oldest}"
    return ""


def _name_image(key: str) -> str:
    return f"sandbox export k8s --image {key}=REF@sha256:…, or push what is here: --to-registry REF"


def _refuse_unknown(facts: ExportFacts, components: Sequence[Component]) -> None:
    names = [each.name for each in components]
    for option, given in (("--with", facts.chosen), ("--without", facts.left_out)):
        for name in given:
            if name not in names:
                raise UsageError(
                    f"{option} {name}: there is no such component", why=f"There are: {', '.join(names)}", fix=f"leave it out of {option}"
                )
    both = [name for name in facts.chosen if name in facts.left_out]
    if both:
        raise UsageError(f"{both[0]} is to be there and to be left out", fix=f"leave it out of --with, or out of --without: {both[0]}")


def _refuse_missing(facts: ExportFacts, missing: Mapping[str, str]) -> None:
    for name in facts.chosen:
        if name in missing:
            reason, _, fix = missing[name].partition(": ")
            raise UsageError(f"the component {name} cannot be had", why=reason, fix=fix)


def _chosen(facts: ExportFacts, built: Sequence[Bundle], missing: Mapping[str, str]) -> frozenset[str]:
    """Names of the components of all overlays: those asked for and the usual ones, with all that they need."""
    bundles = {each.name: each for each in built}
    usual = [name for name in USUAL if name in bundles and name not in facts.left_out]
    found: set[str] = set()
    open_ = [*facts.chosen, *usual]
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        for needed in bundles[name].after:
            if needed in facts.left_out:
                raise UsageError(
                    f"the component {name} needs {needed}, which is left out",
                    fix=f"leave {needed} out of --without, or {name} out of --with",
                )
            if needed not in bundles:
                reason, _, fix = missing.get(needed, "there is no such component: leave it out").partition(": ")
                raise UsageError(f"the component {name} needs {needed}, which cannot be had", why=reason, fix=fix)
            open_.append(needed)
    return frozenset(found)


def _refuse_rivals(components: Sequence[Component], chosen: frozenset[str]) -> None:
    for each in components:
        rivals = [name for name in each.instead_of if name in chosen]
        if each.name in chosen and rivals:
            raise UsageError(
                f"the components {rivals[0]} and {each.name} do the same in two ways",
                fix=f"leave one of them out of --with: {rivals[0]}, or {each.name}",
            )
