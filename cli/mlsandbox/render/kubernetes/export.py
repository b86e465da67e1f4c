"""An export as a whole (pure): the base, the components that can be had, and the overlays that choose among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mlsandbox.errors import ComponentMissing, ImageMissing, UsageError
from mlsandbox.render.kubernetes.bundle import Bundle, Export, Missing
from mlsandbox.render.kubernetes.components import COMPONENTS, Component
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.names import image_key, models
from mlsandbox.render.kubernetes.overlays import USUAL, overlays
from mlsandbox.stack.spec import StackSpec

_PUSH: Final = "sandbox export k8s --to-registry registry.example.com/team"


def build_export(spec: StackSpec, facts: ExportFacts, components: Sequence[Component] = COMPONENTS) -> Export:
    """The export.

    Raises:
        ImageMissing: of a model.
        ComponentMissing: one was chosen that there is not, or that cannot be had.
        UsageError: components were chosen that cannot be had together.
    """
    unknown = [key for key in map(image_key, models(spec)) if key not in facts.images]
    if unknown:
        raise ImageMissing(
            f"there is no image of {', '.join(unknown)}",
            why="A cluster gets models as images from a registry; which one holds the model has to be said.",
            fix=f"name it: sandbox export k8s{_named(unknown)}   or push it: {_PUSH}",
            details={"keys": unknown},
        )
    missing = {each.name: found for each in components if (found := _missing(each, spec, facts)) is not None}
    _refuse_unknown(facts, components)
    base = base_bundle(spec, facts)
    built = _built(spec, facts, components, missing)
    _refuse_missing(facts, missing)
    chosen = _chosen(facts, built)
    _refuse_rivals(components, chosen)
    return Export(base, built, overlays(base, built, chosen, facts), missing)


def _built(spec: StackSpec, facts: ExportFacts, components: Sequence[Component], missing: dict[str, Missing]) -> tuple[Bundle, ...]:
    """Those that can be had; one that needs what cannot be had joins the missing."""
    found = []
    for each in components:
        if each.name not in missing:
            bundle = each.build(spec, facts)
            lacking = next((name for name in bundle.after if name in missing), None)
            if lacking is None:
                found.append(bundle)
            else:
                missing[each.name] = missing[lacking]
    return tuple(found)


def _missing(component: Component, spec: StackSpec, facts: ExportFacts) -> Missing | None:
    """What the component needs and what is not there; None when it can be had."""
    keys = component.images(spec, facts)
    unknown = [key for key in keys if key not in facts.images]
    if unknown and (component.all_images or unknown == [*keys]):
        wanted = unknown if component.all_images else unknown[:1]
        reason = (
            f"{'the image' if len(wanted) == 1 else 'the images'} of {', '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} not known"
        )
        return Missing(f"it needs {component.images_of}: {reason}" if component.images_of else reason, _name_images(wanted))
    if facts.release < component.release:
        oldest = ".".join(map(str, component.release))
        reason = f"it needs Kubernetes {oldest}, and manifests are made for {facts.label}"
        return Missing(reason, f"add --k8s-version {oldest}")
    return component.obstacle(spec, facts)


def _name_images(keys: Sequence[str]) -> str:
    """What makes images known, besides what was said; what is there once more of a model is pushed by nobody but its user."""
    added = f"add{_named(keys)}"
    return added if any("/" in key for key in keys) else f"{added}   or push what is here: {_PUSH}"


def _named(keys: Sequence[str]) -> str:
    return "".join(f" --image {key}=REF@sha256:…" for key in keys)


def _refuse_unknown(facts: ExportFacts, components: Sequence[Component]) -> None:
    names = [each.name for each in components]
    for option, given in (("--with", facts.chosen), ("--without", facts.left_out)):
        for name in given:
            if name not in names:
                raise ComponentMissing(
                    f"{option} {name}: there is no such component",
                    why=f"There are: {', '.join(names)}",
                    fix=f"sandbox export k8s {option} {names[0]}   or another one of these",
                    details={"component": name},
                )
    both = [name for name in facts.chosen if name in facts.left_out]
    if both:
        raise UsageError(
            f"{both[0]} is to be there and to be left out",
            fix=f"sandbox export k8s --with {both[0]}   or else: sandbox export k8s --without {both[0]}",
        )


def _refuse_missing(facts: ExportFacts, missing: Mapping[str, Missing]) -> None:
    for name in facts.chosen:
        if (found := missing.get(name)) is not None:
            raise ComponentMissing(f"the component {name} cannot be had", why=found.reason, fix=found.fix, details={"component": name})


def _chosen(facts: ExportFacts, built: Sequence[Bundle]) -> frozenset[str]:
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
                    fix=f"sandbox export k8s --with {needed},{name}   or without both: sandbox export k8s --without {needed},{name}",
                )
            open_.append(needed)
    return frozenset(found)


def _refuse_rivals(components: Sequence[Component], chosen: frozenset[str]) -> None:
    for each in components:
        rivals = [name for name in each.instead_of if name in chosen]
        if each.name in chosen and rivals:
            raise UsageError(
                f"the components {rivals[0]} and {each.name} do the same in two ways",
                fix=f"sandbox export k8s --with {each.name}   or else: sandbox export k8s --with {rivals[0]}",
            )
