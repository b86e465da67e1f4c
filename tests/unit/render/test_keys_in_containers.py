"""API keys of a stack in containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.compose import render_compose
from mlsandbox.render.containers import ContainerPlaces, render_container_config
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.parts import chosen_parts

MODEL = ModelInputs("churn", "v3", "churn:v3", Path("/requirements.lock"), "sha256:1", "3.11")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound


def compose() -> Any:
    """The Compose file of a stack that other machines reach."""
    parts = chosen_parts("docker", "lite", exclude=(), programs=())
    numbers = {name: 7310 + place for place, name in enumerate(port_names(["churn"], parts))}
    spec = build_stack(StackInputs("demo", EVERYWHERE, (MODEL,), numbers, parts, api_keys=True))
    images = {service.environment: ImageRef(f"images/{service.name}", "sha256:1") for service in spec.services}
    places = ContainerPlaces(Path("/home/demo"), images, "id", 1000, {})
    return yaml.safe_load(render_compose(spec, places, render_container_config(spec, places)).data)


def test_keys_are_a_secret_of_the_model_service() -> None:
    """The file of keys must be mounted into the model service alone, and no variable hold more than where it is."""
    document = compose()

    assert document["secrets"]["api-keys"] == {"file": "/home/demo/.sandbox/secrets/api-keys"}
    assert document["services"]["api"]["environment"]["SANDBOX_API_KEYS_FILE"] == "/run/secrets/api-keys"
    assert document["services"]["api"]["healthcheck"]["test"][-2:] == ["/readyz", "/run/secrets/api-keys"]
    assert [name for name, service in document["services"].items() if "api-keys" in service.get("secrets", ())] == ["api"]


def test_the_api_alone_is_reached_from_elsewhere() -> None:
    """Whatever the host, dashboards, Prometheus, Alertmanager and the drift service must stay on loopback."""
    published = {
        name: [port.rpartition(":")[0].rpartition(":")[0] for port in service.get("ports", ())]
        for name, service in compose()["services"].items()
    }

    assert published.pop("api") == [EVERYWHERE]
    assert {host for hosts in published.values() for host in hosts} == {"127.0.0.1"}
