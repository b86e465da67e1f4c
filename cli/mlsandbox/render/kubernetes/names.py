"""Names and labels of what is exported (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mlsandbox.stack.spec import ModelEnvironment, PortSpec, ProgramEnvironment, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env, Port

MANAGER: Final = "mlsandbox"
_PREFIX: Final = "app.kubernetes.io"
COMPONENT: Final = f"{_PREFIX}/component"
"""The label that says what pods are: those of all models are one."""
_PORTS: Final = {Port.API: "http"}
_TAKEN: Final = frozenset({"default", "default-deny"})
"""The service account that every namespace has, and the network policy of ours."""
_LONGEST: Final = 63
"""Characters of a label's value; a tag may have 128."""


def image_key(service: ServiceSpec) -> str:
    """The key of a service's image in `ExportFacts.images`: the model's name, or that of the environment or program."""
    match service.environment:
        case ModelEnvironment():
            return str(service.env[Env.MODEL])
        case ProgramEnvironment(image=image):
            return image
        case environment:
            return environment.name


def object_names(spec: StackSpec) -> Mapping[str, str]:
    """The name of each service's objects, which is also its host name: the model's for a model service, else its own.

    A shipper has none: it is part of its model's pod. A model whose name a service or the namespace has, or that ends with a hyphen,
    gets "-model" behind it (RFC 1123, section 2.1: a label ends with a letter or a digit); those that keep theirs have it first.
    """
    names = {service.name: service.name for service in spec.services if not isinstance(service.environment, ModelEnvironment)}
    taken = {*names.values(), *_TAKEN}
    plain = {name for each in models(spec) if not (name := str(each.env[Env.MODEL])).endswith("-")} - taken
    for service in models(spec):
        name = str(service.env[Env.MODEL])
        if name in plain:
            names[service.name] = name
            continue
        while name in taken | plain or name.endswith("-"):
            name = f"{name.rstrip('-')}-model"
        taken.add(name)
        names[service.name] = name
    return names


def models(spec: StackSpec) -> Sequence[ServiceSpec]:
    """The model services."""
    return [each for each in spec.services if each.component == Port.API]


def further_name(spec: StackSpec, name: str, suffix: str) -> str:
    """The name of further objects of a model, "churn-challenger", which is no other's: a name ends with no hyphen."""
    taken = set(object_names(spec).values())
    hyphens = "-"
    while f"{name}{hyphens}{suffix}" in taken:
        hyphens += "-"
    return f"{name}{hyphens}{suffix}"


def shipper_of(spec: StackSpec, model: ServiceSpec) -> ServiceSpec:
    """The shipper of a model service."""
    return next(each for each in spec.services if each.component == Port.SHIPPER and each.env[Env.MODEL] == model.env[Env.MODEL])


def port_name(port: PortSpec) -> str:
    """A port's name in its pod and its Service, at most 15 characters (RFC 6335, section 5.1): without the model's."""
    for slot in (Port.API, Port.SHIPPER):
        if port.name == slot or port.name.startswith(f"{slot}-"):
            return str(_PORTS.get(slot, slot))
    return str(port.name)


def selector(name: str, component: str) -> dict[str, str]:
    """The labels that never change, by which pods are found."""
    return {f"{_PREFIX}/name": name, f"{_PREFIX}/instance": name, COMPONENT: component}


def labels(name: str, component: str, *, project: str, version: str = "") -> dict[str, str]:
    """All labels of an object (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels)."""
    return {
        **selector(name, component),
        **({f"{_PREFIX}/version": version} if version else {}),
        f"{_PREFIX}/part-of": project,
        f"{_PREFIX}/managed-by": MANAGER,
    }


def image_version(image: str, known: str = "") -> str:
    """What the version label says of an image: the version that is known, else its tag, else the start of its digest."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    version = known or tag or digest.partition(":")[2][:12]
    return version[:_LONGEST].strip("._-")
