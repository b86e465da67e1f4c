"""The drift service as a part of a stack."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.components.drift import DRIFT, NAME, SINK, profile_files
from mlsandbox.stack.spec import Address, ConfigPath, DataFolder, Joined, PackagedFile, ProjectFile, Reach, ServiceEnvironment, ServiceSpec
from mlsandbox_serving.contract import Env, Port, ProfileFile
from support.repository import ROOT


def _model(name: str, version: str) -> ModelInputs:
    return ModelInputs(name, version, f"{name}:{version}", Path("lock.txt"), "digest", "3.11")


def _service(parts: Collection[str] = (NAME, "log-store")) -> ServiceSpec:
    models = (_model("churn", "v3"), _model("wine", "v1"))
    ports = {name: 7000 + number for number, name in enumerate(port_names(["churn", "wine"], {NAME}, (DRIFT,)))}
    inputs = StackInputs("p", "127.0.0.1", models, ports, frozenset(parts), drift_rows_between_false_alarms=77)
    return build_stack(inputs, (DRIFT,)).service(NAME)


def test_one_service_for_all_models() -> None:
    """It must know the profile of each model's version, and have a port for people and one for events that stays within the stack."""
    service = _service()

    assert service.environment == ServiceEnvironment("drift")
    assert {port.name: port.reach for port in service.ports} == {Port.DRIFT: Reach.MACHINE, "drift-forward": Reach.STACK}
    assert service.env[Env.DRIFT_PROFILES] == Joined(
        ("churn/v3=", ConfigPath("profiles/churn/v3"), ",wine/v1=", ConfigPath("profiles/wine/v1"))
    )
    assert service.env[Env.DRIFT_ROWS_BETWEEN_FALSE_ALARMS] == "77"
    assert isinstance(service.env[Env.DRIFT_DIR], DataFolder)
    assert service.metrics is not None


def test_alibi_has_an_environment_and_room_of_its_own() -> None:
    """Beside the native engine it needs more of both, is told its detectors, and takes one core."""
    ports = {name: 7000 + number for number, name in enumerate(port_names(["churn"], {NAME}, (DRIFT,)))}
    alone = StackInputs("p", "127.0.0.1", (_model("churn", "v3"),), ports, frozenset({NAME, "log-store"}))
    both = replace(alone, drift_engines=("native", "alibi"), drift_detectors=({"name": "CVMDrift"},))
    service, native = (build_stack(inputs, (DRIFT,)).service(NAME) for inputs in (both, alone))

    assert service.environment == ServiceEnvironment("drift-alibi")
    assert service.env[Env.DRIFT_ENGINES] == "native,alibi"
    assert service.env[Env.DRIFT_DETECTORS] == '[{"name": "CVMDrift"}]'
    assert service.env["OMP_NUM_THREADS"] == "1"
    assert (service.resources.memory_bytes or 0) > (native.resources.memory_bytes or 0) > 0
    assert {Env.DRIFT_DETECTORS, Env.DRIFT_ENGINES_OFF} & set(native.env) == set()


def test_an_engine_that_is_left_out_is_told_to_the_service() -> None:
    """It shows the reason to whoever asks, and runs in the environment of the other engine."""
    ports = {name: 7000 + number for number, name in enumerate(port_names(["churn"], {NAME}, (DRIFT,)))}
    inputs = StackInputs("p", "127.0.0.1", (_model("churn", "v3"),), ports, frozenset({NAME, "log-store"}))
    service = build_stack(replace(inputs, drift_engines_off={"alibi": "no Python for it"}), (DRIFT,)).service(NAME)

    assert service.environment == ServiceEnvironment("drift")
    assert service.env[Env.DRIFT_ENGINES_OFF] == '{"alibi": "no Python for it"}'


def test_a_shipper_finds_its_port_for_events() -> None:
    """What a shipper is given as a sink must name the service and its port."""
    assert SINK.parts == ("drift~1=", Address(NAME, _service().ports[1].name))


def test_its_own_events_go_to_the_log_alone() -> None:
    """It must be a sink of its own shipper in no stack, deliver to what the stack logs to, and be stopped before that."""
    for parts, sink in ({NAME, "log-store"}, "log-store"), ({NAME, "fluentd"}, "fluentd"):
        service = _service(parts)
        assert service.env[Env.SINKS] == Joined((f"{sink}=", Address(sink, Port.FLUENTD)))
        assert list(service.needs) == [sink]
        assert service.env[Env.DRIFT_FLAG_ROWS] == "0"


def test_its_environment_is_locked() -> None:
    """There must be a lock for it, with what the served code needs."""
    lock = (ROOT / "services/requirements/drift.txt").read_text(encoding="utf-8")

    assert {line.partition("==")[0] for line in lock.splitlines() if "==" in line} == {
        "fluent-logger",
        "msgpack",
        "numpy",
        "prometheus-client",
    }
    assert "http" not in lock


def test_profiles_are_files_of_its_configuration() -> None:
    """The files of each model's profile must lie where the service is told to look; rows only with the engine that compares rows."""
    profile: dict[str, PackagedFile | ProjectFile] = {name: PackagedFile("churn:v3", f"src/{name}") for name in ProfileFile.ALL}
    models = (replace(_model("churn", "v3"), profile=profile), _model("wine", "v1"))

    native = profile_files(models, ("native",))
    both = profile_files(models, ("native", "alibi"))

    assert set(native) == {"profiles/churn/v3/profile.json", "profiles/churn/v3/profile.npz"}
    assert set(both) - set(native) == {"profiles/churn/v3/rows.npz"}
    assert native["profiles/churn/v3/profile.json"] == profile["profile.json"]
