"""The stack's description, as a table that a reader can check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsandbox.render.processes import Places, render_processes
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.components import COMPONENTS
from mlsandbox.stack.components.base import Component
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.spec import Condition, DataFolder, ListenPort, Probe, ServiceEnvironment, ServiceSpec, Value
from mlsandbox.supervise.spec import HttpProbe
from mlsandbox_serving.contract import Env

LOKI = ServiceEnvironment("loki")
EMBEDDED = chosen_parts("embedded", "full", exclude=(), programs=())
FULL = chosen_parts("docker", "full", exclude=(), programs=())


def _model(name: str, *, has_hashed_columns: bool = False) -> ModelInputs:
    lock = Path("/project/requirements.lock")
    return ModelInputs(name, "v3", f"{name}:v3", lock, "sha256:1", "3.11", has_hashed_columns=has_hashed_columns)


def _inputs(*names: str, parts: frozenset[str] = EMBEDDED) -> StackInputs:
    ports = {name: 7310 + index for index, name in enumerate(port_names(names, parts))}
    return StackInputs("demo", "127.0.0.1", tuple(_model(name) for name in names), ports, parts)


def test_services_of_one_model() -> None:
    """One model must have the plain names, and start without waiting for its log store."""
    stack = build_stack(_inputs("churn"))

    assert [service.name for service in stack.services] == ["log-store", "drift", "shipper", "api"]
    assert stack.service("api").needs == {"shipper": Condition.STARTED}
    assert stack.service("shipper").needs == {"log-store": Condition.STARTED}


def test_services_of_two_models() -> None:
    """Further models must have their names in services and ports, and share the log store."""
    stack = build_stack(_inputs("churn", "fraud"))

    assert [service.name for service in stack.services] == ["log-store", "drift", "shipper", "shipper-fraud", "api", "api-fraud"]
    assert [port.name for service in stack.services for port in service.ports] == list(port_names(["churn", "fraud"], EMBEDDED))
    assert stack.service("api-fraud").env[Env.SPOOL_DIR] == stack.service("shipper-fraud").env[Env.SPOOL_DIR]
    assert stack.service("api-fraud").env[Env.SPOOL_DIR] != stack.service("api").env[Env.SPOOL_DIR]


def test_only_the_api_is_public() -> None:
    """Only the API port may follow `[stack] host`; everything else stays on loopback."""
    stack = build_stack(_inputs("churn", "fraud"))

    assert [port.name for service in stack.services for port in service.ports if port.public] == ["api", "api-fraud"]


def test_hash_key_only_where_it_is_used() -> None:
    """The key of hashed columns must reach only a model that has some."""
    inputs = StackInputs("demo", "127.0.0.1", (_model("churn", has_hashed_columns=True),), _inputs("churn").ports, EMBEDDED)

    assert Env.HASH_KEY_FILE in build_stack(inputs).service("api").env
    assert Env.HASH_KEY_FILE not in build_stack(_inputs("churn")).service("api").env


def test_a_new_component_is_one_object() -> None:
    """A component must come with its ports and services, and reach what an engine runs without a change anywhere else."""

    def services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
        env: dict[str, Value] = {"LOKI_DIR": DataFolder("loki", "/loki"), "LOKI_PORT": ListenPort("loki")}
        return (ServiceSpec("loki", LOKI, ("-m", "loki"), env=env, ports=(inputs.port("loki"),), readiness=Probe("loki", "/ready")),)

    components = (*COMPONENTS, Component("loki", lambda _models: ("loki",), services))
    parts = EMBEDDED | {"loki"}
    names = port_names(["churn"], parts, components)
    inputs = StackInputs("demo", "127.0.0.1", (_model("churn"),), {name: 9000 + index for index, name in enumerate(names)}, parts)

    stack = build_stack(inputs, components)
    pythons = {service.environment: Path(f"/envs/{service.name}/python") for service in stack.services}
    places = Places(Path("/p/.sandbox"), pythons, {"churn:v3": Path("/bento")}, {}, Path("/served"))
    loki = next(process for process in render_processes(stack, places, {}, ()) if process.name == "loki")

    assert loki.argv == ("/envs/loki/python", "-m", "loki")
    assert (loki.ports, loki.readiness) == ({"loki": 9006}, HttpProbe("127.0.0.1", 9006, "/ready"))
    assert (loki.env["LOKI_DIR"], loki.env["LOKI_PORT"]) == ("/p/.sandbox/data/loki", "9006")
    assert "loki" in stack.data_folders
