"""Versions behind one address: each a service of its own, and nothing else depends on which of them answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, direct_ports, port_names
from mlsandbox.stack.components.base import Role, Share
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.spec import Address, Joined, PackagedFile, Reach, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env

PARTS = frozenset({*chosen_parts("docker", "lite", exclude=(), programs=()), *chosen_parts("embedded", "full", exclude=(), programs=())})


def _version(model: str, version: str, role: Role = Role.CHAMPION, share: Share | None = None) -> ModelInputs:
    profile = {"columns.json": PackagedFile(f"{model}:{version}", "src/package/profile/columns.json")}
    lock = Path("/project/requirements.lock")
    return ModelInputs(model, version, f"{model}:{version}", lock, f"sha256:{version}", "3.11", role=role, share=share, profile=profile)


def _stack(*champions: ModelInputs) -> StackSpec:
    versions = {each.name: [version.version for version in each.versions] for each in champions}
    names = (*port_names(list(versions), PARTS), *direct_ports(versions))
    ports = {name: 7310 + index for index, name in enumerate(names)}
    return build_stack(StackInputs("demo", "127.0.0.1", champions, ports, PARTS, fronts=True))


def _traffic(stack: StackSpec, service: str) -> dict[str, object]:
    value = stack.service(service).files["traffic.json"]
    assert isinstance(value, Joined)
    document: dict[str, object] = json.loads("".join(_shown(part) for part in value.parts))
    return document


def _shown(part: object) -> str:
    return f"{part.service}:{part.port}" if isinstance(part, Address) else str(part)


def test_a_version_is_a_service() -> None:
    """Each version must be a service with a port of its own that nobody outside of the stack reaches, behind its model's front."""
    stack = _stack(_version("churn", "v2"), _version("fraud", "v7"))

    assert [each.name for each in stack.services if each.front] == ["api-v2", "api-fraud-v7"]
    assert [(each.name, each.service, each.target) for each in stack.fronts] == [
        ("api", "api-v2", "direct-api-v2"),
        ("api-fraud", "api-fraud-v7", "direct-api-fraud-v7"),
    ]
    assert all(front.port.public for front in stack.fronts)
    assert [(port.name, port.reach) for port in stack.service("api-v2").ports] == [("direct-api-v2", Reach.STACK)]


@pytest.mark.parametrize("role", [Role.STANDBY, Role.CHALLENGER])
def test_who_answers_must_change_nothing_else(role: Role) -> None:
    """Of two versions that run, another one answering must change the front and what the versions are told of traffic, nothing more."""
    first, second = _version("churn", "v1"), _version("churn", "v2")
    before = _stack(replace(first, beside=(replace(second, role=role),)))
    after = _stack(replace(second, beside=(replace(first, role=Role.STANDBY),)))

    assert [each.service for each in before.fronts] == ["api-v1"]
    assert [each.service for each in after.fronts] == ["api-v2"]
    assert [_fixed(each) for each in before.services] == [_fixed(each) for each in after.services]


def _fixed(service: ServiceSpec) -> ServiceSpec:
    """Without what it reads again by itself."""
    return replace(service, files={path: value for path, value in service.files.items() if path not in service.live})


def test_what_is_there_once_comes_with_the_newest_version() -> None:
    """A model's one shipper must run what the newest version brought, and the drift service must have the profile of each."""
    stack = _stack(replace(_version("churn", "v2"), beside=(_version("churn", "v10", Role.CHALLENGER, Share(percent=10)),)))

    assert stack.service("shipper").package == "churn:v10"
    assert {path for path in stack.service("drift").files if path.startswith("profiles/")} == {
        "profiles/churn/v2/columns.json",
        "profiles/churn/v10/columns.json",
    }


def test_each_version_has_metrics_of_its_own() -> None:
    """Versions must not share the folder of their metrics, in which files of another start are removed; the spool they do."""
    stack = _stack(replace(_version("churn", "v1"), beside=(_version("churn", "v2", Role.STANDBY),)))
    first, second = stack.service("api-v1"), stack.service("api-v2")

    assert first.env[Env.METRICS_DIR] != second.env[Env.METRICS_DIR]
    assert first.env[Env.SPOOL_DIR] == second.env[Env.SPOOL_DIR]


@pytest.mark.parametrize("share", [Share(percent=12.5), Share(shadow=True)])
def test_all_versions_are_told_what_a_challenger_gets(share: Share) -> None:
    """The champion and all others must be told the same: who is the champion, where the challenger is, and what it gets."""
    stack = _stack(replace(_version("churn", "v1"), beside=(_version("churn", "v2", Role.CHALLENGER, share),)))

    assert _traffic(stack, "api-v1") == _traffic(stack, "api-v2")
    assert _traffic(stack, "api-v1") == {
        "champion": "v1",
        "challenger": {"version": "v2", "percent": share.percent, "shadow": share.shadow, "address": "api-v2:direct-api-v2"},
    }
    assert _traffic(_stack(_version("churn", "v1")), "api-v1") == {"champion": "v1", "challenger": None}
