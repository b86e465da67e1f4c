"""How far each container reaches, for every service of every profile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from mlsandbox.stack.spec import Reach
from support.rendered import CASES, ENVIRON, GOLDEN, PROFILES, compose_files, container_places, packaged

STORES = {"elasticsearch", "elasticsearch-setup", "elasticsearch-exporter", "fluentd", "log-store", "shipper"}
STACKS = {(case, profile): packaged(GOLDEN / case, "docker", profile).spec for case in CASES for profile in PROFILES}
PASSWORDS = {
    **ENVIRON,
    "HTTP_PROXY": "http://user:s3cr3t-value@proxy.example:3128",
    "https_proxy": "http://s3cr3t-value@proxy.example:3128",
    "MY_TOKEN": "s3cr3t-value",
}


@cache
def _document(case: str, profile: str) -> Mapping[str, Any]:
    spec = STACKS[case, profile]
    document: dict[str, Any] = yaml.safe_load(compose_files(spec, container_places(spec))[0].text)
    return document


SERVICES = [
    pytest.param(case, profile, name, id=f"{case}-{profile}-{name}")
    for case, profile in STACKS
    for name in _document(case, profile)["services"]
]


@pytest.mark.parametrize(("case", "profile", "name"), SERVICES)
def test_confined(case: str, profile: str, name: str) -> None:
    """No container may write its own image, hold a capability, gain a privilege, or start processes without end."""
    service = _document(case, profile)["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 0 < service["pids_limit"] <= 4096
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "user", "userns_mode", "expose", "extra_hosts"} & set(
        service
    )


@pytest.mark.parametrize(("case", "profile", "name"), SERVICES)
def test_memory(case: str, profile: str, name: str) -> None:
    """Every container must have the bound of memory that its description states."""
    stated = STACKS[case, profile].service(name).resources.memory_bytes
    limit = _document(case, profile)["services"][name]["mem_limit"]

    assert int(limit[:-1]) * {"b": 1, "m": 1024**2}[limit[-1]] == stated


@pytest.mark.parametrize(("case", "profile", "name"), SERVICES)
def test_published(case: str, profile: str, name: str) -> None:
    """A port must be published on loopback alone, and only when it is for users of this machine."""
    spec = STACKS[case, profile]
    service = _document(case, profile)["services"][name]
    loopback = {Reach.MACHINE: "127.0.0.1", Reach.PUBLIC: f"[{spec.host}]" if ":" in spec.host else spec.host}

    assert service.get("ports", []) == [
        f"{loopback[port.reach]}:{port.number}:{port.number}" for port in spec.service(name).ports if port.reach in loopback
    ]


@pytest.mark.parametrize(("case", "profile", "name"), SERVICES)
def test_networks(case: str, profile: str, name: str) -> None:
    """Only what is published may be on the network that leads outside; the stores and what feeds them never are."""
    document = _document(case, profile)
    service = document["services"][name]

    assert service["networks"] == (["front", "back"] if "ports" in service or name.startswith("api-") else ["back"])
    assert document["networks"]["back"]["internal"] is True
    assert document["networks"]["back"]["driver_opts"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}
    if name in STORES or name.startswith("shipper"):
        assert service["networks"] == ["back"]


@pytest.mark.parametrize(("case", "profile", "name"), SERVICES)
def test_mounts(case: str, profile: str, name: str) -> None:
    """Of this machine's files a container may see its own configuration and secrets alone, and change none of them."""
    document = _document(case, profile)
    service = document["services"][name]
    binds = [mount for mount in service.get("volumes", ()) if mount["type"] == "bind"]

    assert all(mount["source"] == f"/project/.sandbox/stack/config/{name}" and mount["read_only"] is True for mount in binds)
    assert not any("docker.sock" in str(mount) for mount in service.get("volumes", ()))
    for secret in service.get("secrets", ()):
        assert document["secrets"][secret] == {"file": f"/project/.sandbox/secrets/{secret}"}
        assert service["group_add"] == ["1000", "0"]


@pytest.mark.parametrize(("case", "profile"), STACKS)
def test_no_secret_values(case: str, profile: str) -> None:
    """Nothing secret of the caller's environment may be written into the file, neither a proxy's password nor a token."""
    spec = STACKS[case, profile]
    files = compose_files(spec, container_places(spec, PASSWORDS))

    assert not [file.path for file in files if "s3cr3t" in file.text or "never passed on" in file.text]


@pytest.mark.parametrize(("case", "profile"), STACKS)
def test_no_names_looked_up(case: str, profile: str) -> None:
    """No image may be looked up at a registry by its name alone: what we build has names that anybody could take there."""
    services = _document(case, profile)["services"].values()

    assert {service["pull_policy"] for service in services} == {"never"}
    assert not any("build" in service for service in services)
