"""The drift service: one for all models; it takes a second copy of every event and compares live rows with the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs
from mlsandbox.stack.components.log_sink import log_sink, sinks
from mlsandbox.stack.spec import (
    Address,
    Condition,
    ConfigPath,
    DataFolder,
    Joined,
    ListenHost,
    ListenPort,
    PackagedFile,
    Probe,
    ProjectFile,
    Reach,
    Resources,
    Scrape,
    ServiceEnvironment,
    ServiceSpec,
    Value,
)
from mlsandbox_serving.contract import DRIFT_FORWARD, DriftEngine, Env, Port, ProfileFile, Route

NAME: Final = "drift"
FOLDER: Final = DataFolder(NAME, "/var/lib/sandbox/drift")
SINK: Final = Joined((f"{NAME}~1=", Address(NAME, DRIFT_FORWARD)))
"""What a shipper's SINKS hold for it: events of a second at a time, since drift takes longer than that and messages cost."""
NEEDS_ROWS: Final = DriftEngine.ALIBI
"""The engine that compares rows with rows; the native one has all that it needs in its profile."""
ENVIRONMENT_WITH_ALIBI: Final = "drift-alibi"
_MEMORY: Final = 256 * 1024 * 1024
_MEMORY_WITH_ALIBI: Final = 1024 * 1024 * 1024


def drift_environment(engines: Sequence[str]) -> str:
    """The environment that these engines need."""
    return ENVIRONMENT_WITH_ALIBI if DriftEngine.ALIBI in engines else NAME


def profile_path(model: ModelInputs) -> ConfigPath:
    """Where the service finds a model's reference profile: a folder of its configuration; without one it learns from live rows."""
    return ConfigPath(f"profiles/{model.name}/{model.version}")


def profile_files(models: Sequence[ModelInputs], engines: Sequence[str]) -> Mapping[str, PackagedFile | ProjectFile]:
    """The files in these folders; the rows of the reference only for the engine that needs them."""
    return {
        f"{profile_path(version).relative}/{name}": file
        for model in models
        for version in model.versions
        for name, file in version.profile.items()
        if name != ProfileFile.ROWS or NEEDS_ROWS in engines
    }


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    with_alibi = DriftEngine.ALIBI in inputs.drift_engines
    return (
        ServiceSpec(
            name=NAME,
            environment=ServiceEnvironment(drift_environment(inputs.drift_engines)),
            args=("-m", "mlsandbox_serving.drift_sidecar"),
            env={
                Env.LISTEN_HOST: ListenHost(),
                Env.FORWARD_PORT: ListenPort(DRIFT_FORWARD),
                Env.DRIFT_PORT: ListenPort(Port.DRIFT),
                Env.DRIFT_DIR: FOLDER,
                Env.DRIFT_PROFILES: _profiles(inputs.models),
                Env.DRIFT_ENGINES: ",".join(inputs.drift_engines),
                **_of_alibi(inputs, on=with_alibi),
                Env.DRIFT_ROWS_BETWEEN_FALSE_ALARMS: str(inputs.drift_rows_between_false_alarms),
                Env.DRIFT_FLAG_ROWS: "1" if inputs.drift_flag_rows else "0",
                Env.SINKS: sinks(inputs),
                Env.SPOOL_BYTES: str(inputs.spool_bytes),
                Env.LOG_RETENTION_SECONDS: f"{inputs.log_retention_seconds:.0f}",
            },
            files=profile_files(inputs.models, inputs.drift_engines),
            ports=(inputs.port(Port.DRIFT, Reach.MACHINE), inputs.port(DRIFT_FORWARD)),
            metrics=Scrape(Port.DRIFT),
            liveness=Probe(Port.DRIFT, Route.LIVE),
            readiness=Probe(Port.DRIFT, Route.READY),
            needs={log_sink(inputs): Condition.STARTED},  # stopped in the reverse order, so that its own events are delivered
            resources=Resources(memory_bytes=_MEMORY_WITH_ALIBI if with_alibi else _MEMORY),
        ),
    )


def _of_alibi(inputs: StackInputs, *, on: bool) -> dict[str, Value]:
    """What is only said where there is something to say; comparing windows takes one core and not all of them."""
    found: dict[str, Value] = {}
    if inputs.drift_engines_off:
        found[Env.DRIFT_ENGINES_OFF] = json.dumps(dict(inputs.drift_engines_off))
    if on:
        found |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        if inputs.drift_detectors:
            found[Env.DRIFT_DETECTORS] = json.dumps(inputs.drift_detectors)
    return found


def _profiles(models: Sequence[ModelInputs]) -> Joined:
    """Entries of the form model/version=folder, with commas between them."""
    parts: list[str | ConfigPath] = []
    for version in (version for model in models for version in model.versions):
        parts += [f"{',' if parts else ''}{version.name}/{version.version}=", profile_path(version)]
    return Joined(tuple(parts))


DRIFT: Final = Component(NAME, lambda _models: (Port.DRIFT, DRIFT_FORWARD), _services)
