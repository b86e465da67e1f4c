"""From a project's packaged models and its ports to the description of its stack (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mlsandbox.stack.components import COMPONENTS
from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs
from mlsandbox.stack.spec import ServiceSpec, StackSpec

__all__ = ["ModelInputs", "StackInputs", "build_stack", "port_names"]


def port_names(models: Sequence[str], parts: Collection[str], components: Sequence[Component] = COMPONENTS) -> tuple[str, ...]:
    """Names of all ports that a stack with these models and parts needs on this machine."""
    return tuple(str(name) for component in components if component.name in parts for name in component.ports(models))


def build_stack(inputs: StackInputs, components: Sequence[Component] = COMPONENTS) -> StackSpec:
    """The stack.

    Raises:
        KeyError: `inputs.ports` lacks one of `port_names`.
    """
    services: list[ServiceSpec] = []
    for component in components:
        if component.name in inputs.parts:
            services += (replace(each, component=component.name) for each in component.services(inputs, tuple(services)))
    return StackSpec(inputs.project, inputs.host, tuple(services))
