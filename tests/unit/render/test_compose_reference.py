"""compose/docker-compose.yml: what is rendered for the example; `pytest --update-golden` writes it anew."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.compose import HEADER, Label
from mlsandbox.stack.build import direct_ports, port_names
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.spec import Environment, ModelEnvironment, ProgramEnvironment, ServiceEnvironment, StackSpec
from mlsandbox_serving.contract import FIRST_PORT, Env, Port
from support.rendered import ROOT, compose_files, container_places, packaged

REPOSITORY = Path(__file__).parents[3]
REFERENCE = REPOSITORY / "compose/docker-compose.yml"
SAYS = """\
# The stack of examples/employment as `sandbox up --engine docker` renders it, to be read: every service, and how it is confined.
# Left out is what differs from one `up` to the next. A project's own file is .sandbox/stack/compose.yaml.
# Images named mlsandbox/ are built on the user's machine; all others are those of compose/images.toml.
# Written by `pytest tests/unit/render --update-golden` and compared by it: changes belong in cli/mlsandbox/render and cli/mlsandbox/stack.
"""
PASSING = re.compile(rf"^ +({re.escape(Label.DIGEST)}|{Env.STACK_ID}): .*\n", re.MULTILINE)


def _reference() -> str:
    parts = chosen_parts("docker", "full", exclude=(), programs=())
    names = (*port_names(["employment"], parts), *direct_ports({"employment": ["v1"]}))
    slots = [slot.value for slot in Port]
    places = [*slots, *(name for name in names if name not in slots)]
    ports = {name: FIRST_PORT + places.index(name) for name in names}
    spec = packaged(REPOSITORY / "examples/employment", "docker", ports=ports).spec
    compose, *_ = compose_files(spec, replace(container_places(spec, {}), images=_images(spec)))
    text = SAYS + PASSING.sub("", compose.text.removeprefix(HEADER))
    return text.replace(f"{ROOT}/", "${PWD}/").replace(f" {ROOT}\n", " ${PWD}\n")


def _images(spec: StackSpec) -> Mapping[Environment, ImageRef]:
    """The official images as they are pulled, and names as those have that are built."""
    return {service.environment: ImageRef(_image(service.environment), "") for service in spec.services}


def _image(environment: Environment) -> str:
    match environment:
        case ModelEnvironment():
            return "mlsandbox/employment/employment:v1"
        case ServiceEnvironment(name=name) | ProgramEnvironment(image="fluentd" as name):
            return f"mlsandbox/services/{name}"
        case ProgramEnvironment(image=key):
            image: str = tomllib.loads((REPOSITORY / "compose/images.toml").read_text("utf-8"))[key]["image"]
            return image


def test_reference(*, update_golden: bool) -> None:
    """The committed file must be what is rendered for the example project with the official images."""
    text = _reference()
    if update_golden:
        REFERENCE.write_text(text, encoding="utf-8")

    assert REFERENCE.read_text("utf-8") == text
