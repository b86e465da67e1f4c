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
from mlsandbox.render.kubernetes.facts import CHALLENGER, ExportFacts
from mlsandbox.stack.spec import StackSpec
from support.rendered import GOLDEN

ALL = tuple(each.name for each in COMPONENTS)
SERVICES = ("drift", "fluentd", "log-store")


def image(name: str) -> str:
    """An image that is always the same."""
    return f"registry.example.com/team/{name}@sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def options(folder: Path, chosen: Sequence[str] = (), **changes: Any) -> ExportOptions:
    """Images of all models of a project, their challengers and all services."""
    models = load_project(folder).models
    named = {name: image(name) for name in models}
    named |= {f"{name}/{CHALLENGER}": image(f"{name}-next") for name in models}
    named |= {name: image(name) for name in SERVICES}
    made = ExportOptions(images=tuple(f"{key}={reference}" for key, reference in named.items()), chosen=tuple(chosen))
    return replace(made, **changes)


def inputs(case: str, chosen: Sequence[str] = (), **changes: Any) -> tuple[StackSpec, ExportFacts]:
    """What the export of a project in tests/golden is made from."""
    folder = GOLDEN / case
    return export_inputs(load_project(folder), options(folder, chosen, **changes))


def exported(
    case: str, chosen: Sequence[str] = (), components: Sequence[Component] = COMPONENTS, **changes: Any
) -> tuple[Export, ExportFacts]:
    """The export of a project in tests/golden."""
    spec, facts = inputs(case, chosen, **changes)
    return build_export(spec, facts, components), facts
