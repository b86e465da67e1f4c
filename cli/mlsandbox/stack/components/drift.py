"""The drift service: one for all models; it takes a second copy of every event and compares live rows with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs
from mlsandbox.stack.spec import (
    Address,
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
)
from mlsandbox_serving.contract import DRIFT_FORWARD, Env, Port, ProfileFile, Route

NAME: Final = "drift"
FOLDER: Final = DataFolder(NAME, "/var/lib/sandbox/drift")
SINK: Final = Joined((f"{NAME}=", Address(NAME, DRIFT_FORWARD)))
"""What a shipper's SINKS hold for it."""
NEEDS_ROWS: Final = "alibi"
"""The engine that compares rows with rows; the native one has all that it needs in its profile."""
_MEMORY: Final = 256 * 1024 * 1024


def profile_path(model: ModelInputs) -> ConfigPath:
    """Where the service finds a model's reference profile: a folder of its configuration; without one it learns from live rows."""
    return ConfigPath(f"profiles/{model.name}/{model.version}")


def profile_files(models: Sequence[ModelInputs], engines: Sequence[str]) -> Mapping[str, PackagedFile | ProjectFile]:
    """The files in these folders; the rows of the reference only for the engine that needs them."""
    return {
        f"{profile_path(model).relative}/{name}": file
        for model in models
        for name, file in model.profile.items()
        if name != ProfileFile.ROWS or NEEDS_ROWS in engines
    }


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ServiceEnvironment(NAME),
            args=("-m", "mlsandbox_serving.drift_sidecar"),
            env={
                Env.LISTEN_HOST: ListenHost(),
                Env.FORWARD_PORT: ListenPort(DRIFT_FORWARD),
                Env.DRIFT_PORT: ListenPort(Port.DRIFT),
                Env.DRIFT_DIR: FOLDER,
                Env.DRIFT_PROFILES: _profiles(inputs.models),
                Env.DRIFT_ENGINES: ",".join(inputs.drift_engines),
                Env.DRIFT_ROWS_BETWEEN_FALSE_ALARMS: str(inputs.drift_rows_between_false_alarms),
            },
            files=profile_files(inputs.models, inputs.drift_engines),
            ports=(inputs.port(Port.DRIFT, Reach.MACHINE), inputs.port(DRIFT_FORWARD)),
            metrics=Scrape(Port.DRIFT),
            liveness=Probe(Port.DRIFT, Route.LIVE),
            readiness=Probe(Port.DRIFT, Route.READY),
            resources=Resources(memory_bytes=_MEMORY),
        ),
    )


def _profiles(models: Sequence[ModelInputs]) -> Joined:
    """Entries of the form model/version=folder, with commas between them."""
    parts: list[str | ConfigPath] = []
    for model in models:
        parts += [f"{',' if parts else ''}{model.name}/{model.version}=", profile_path(model)]
    return Joined(tuple(parts))


DRIFT: Final = Component(NAME, lambda _models: (Port.DRIFT, DRIFT_FORWARD), _services)
