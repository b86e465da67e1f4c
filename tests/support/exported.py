"""Exports of the projects in tests/golden, with images that are named and nowhere to be had."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.project import load_project
from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.components import COMPONENTS, Component
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import CHALLENGER, PACKAGE, ExportFacts
from mlsandbox.stack.spec import StackSpec
from support.rendered import GOLDEN

PROJECTS = ("one-model", "two-models", "three-models")
RIVALS = ("model-oci",)
"""Components that do what another one does too: an overlay has one of them."""
WHOLE = tuple(each.name for each in COMPONENTS if each.name not in RIVALS)
"""All that one overlay can have."""
SERVICES = ("drift", "fluentd", "log-store")


def image(name: str) -> str:
    """An image that is always the same."""
    return f"registry.example.com/team/{name}@sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def options(folder: Path, *, whole: bool = False, **changes: Any) -> ExportOptions:
    """What a command line says of a project.

    Args:
        folder: the project's.
        whole: with images of all there is, and all components; else with the models' images alone.
        changes: fields of ExportOptions that are to be other than that.
    """
    models = load_project(folder).models
    keys = {name: name for name in models}
    if whole:
        keys |= {f"{name}/{CHALLENGER}": f"{name}-next" for name in models}
        keys |= {f"{name}/{PACKAGE}": f"{name}-package" for name in models} | {name: name for name in SERVICES}
    images = tuple(f"{key}={image(name)}" for key, name in keys.items())
    return replace(ExportOptions(images=images, chosen=WHOLE if whole else ()), **changes)


def inputs(case: str, *, whole: bool = False, **changes: Any) -> tuple[StackSpec, ExportFacts]:
    """What the export of a project in tests/golden is made from."""
    folder = GOLDEN / case
    return export_inputs(load_project(folder), options(folder, whole=whole, **changes))


def exported(case: str, *, whole: bool = False, components: Sequence[Component] = COMPONENTS, **changes: Any) -> tuple[Export, ExportFacts]:
    """The export of a project in tests/golden."""
    spec, facts = inputs(case, whole=whole, **changes)
    return build_export(spec, facts, components), facts
