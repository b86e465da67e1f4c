"""From a project's packaged models and its ports to the description of its stack (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mlsandbox.stack.components import COMPONENTS
from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs, direct, suffixed, versioned
from mlsandbox.stack.components.model import fronts_of
from mlsandbox.stack.spec import ServiceSpec, StackSpec
from mlsandbox_serving.contract import Port

__all__ = ["ModelInputs", "StackInputs", "build_stack", "direct_ports", "port_names"]


def port_names(models: Sequence[str], parts: Collection[str], components: Sequence[Component] = COMPONENTS) -> tuple[str, ...]:
    """Names of all ports that a stack with these models and parts needs on this machine, but for `direct_ports`."""
    return tuple(str(name) for component in components if component.name in parts for name in component.ports(models))


def direct_ports(versions: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Names of the ports at which each version is asked by itself.

    Args:
        versions: of each model those that run.
    """
    fronts = {model: suffixed(Port.API, list(versions), model) for model in versions}
    return tuple(direct(versioned(fronts[model], version)) for model, those in versions.items() for version in those)


def build_stack(inputs: StackInputs, components: Sequence[Component] = COMPONENTS) -> StackSpec:
    """The stack.

    Raises:
        KeyError: `inputs.ports` lacks one of `port_names`, or with fronts one of `direct_ports`.
    """
    services: list[ServiceSpec] = []
    for component in components:
        if component.name in inputs.parts:
            services += (replace(each, component=component.name) for each in component.services(inputs, tuple(services)))
    return StackSpec(inputs.project, inputs.host, tuple(services), fronts_of(inputs) if inputs.fronts else ())
