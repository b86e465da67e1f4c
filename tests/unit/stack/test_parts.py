"""Which parts a stack has, and that it holds together whatever is left out."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, combinations
from pathlib import Path

import pytest

from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, direct_ports, port_names
from mlsandbox.stack.parts import GATEWAY, NATIVE, OPTIONAL, chosen_parts
from mlsandbox.stack.spec import Address, ProgramEnvironment, StackSpec

MODELS = ("wine", "churn")


def _subsets(names: Collection[str]) -> list[frozenset[str]]:
    return [frozenset(each) for each in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))]


CHOICES = {
    **{
        f"docker {profile} without {' '.join(sorted(left_out)) or 'nothing'}": chosen_parts(
            "docker", profile, exclude=left_out, programs=()
        )
        for profile in ("full", "lite")
        for left_out in _subsets(OPTIONAL)
    },
    **{
        f"embedded with {' '.join(sorted(programs)) or 'nothing'}": chosen_parts("embedded", "full", exclude=(), programs=programs)
        for programs in _subsets(NATIVE)
    },
}


def _stack(chosen: frozenset[str], *, fronts: bool = True) -> StackSpec:
    models = tuple(ModelInputs(name, "v1", f"{name}:v1", Path("/lock"), "digest", "3.11") for name in MODELS)
    names = (*port_names(MODELS, chosen), *direct_ports(dict.fromkeys(MODELS, ("v1",))))
    ports = {name: 7310 + number for number, name in enumerate(names)}
    return build_stack(StackInputs("demo", "127.0.0.1", models, ports, chosen, fronts=fronts))


@pytest.mark.parametrize("fronts", [True, False], ids=["as it runs", "as it is exported"])
@pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)
def test_a_stack_holds_together(chosen: frozenset[str], *, fronts: bool) -> None:
    """Whatever is left out, nothing may wait for, or be told the address of, what is not there; a gateway is for fronts."""
    spec = _stack(chosen, fronts=fronts)
    names = [service.name for service in spec.services]

    assert len(names) == len(set(names))
    assert {service.component for service in spec.services} == (chosen if fronts else chosen - {GATEWAY})
    assert {front.service for front in spec.fronts} <= set(names)
    assert {needed for service in spec.services for needed in service.needs} <= set(names)
    for each in spec.references():
        if isinstance(each, Address):
            assert spec.service(each.service).port(each.port).number


def test_without_docker_there_are_no_containers() -> None:
    """The embedded engine must have nothing that runs in containers only, whatever the profile and the programs."""
    for profile in ("full", "lite"):
        services = _stack(chosen_parts("embedded", profile, exclude=(), programs=(*NATIVE, "fluentd", "elasticsearch"))).services
        assert [each.name for each in services if isinstance(each.environment, ProgramEnvironment) and not each.environment.command] == []


def test_what_is_left_out_is_left_out_everywhere() -> None:
    """A part that is excluded must be gone on both engines, also where its program is on PATH."""
    assert chosen_parts("docker", "full", exclude=OPTIONAL, programs=()).isdisjoint(OPTIONAL)
    assert chosen_parts("embedded", "full", exclude=OPTIONAL, programs=NATIVE).isdisjoint(OPTIONAL)
