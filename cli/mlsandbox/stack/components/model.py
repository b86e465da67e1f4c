"""The model service: the package, served by BentoML; with fronts one service for each version that runs."""

from __future__ import annotations

import json
from typing import Final

from mlsandbox.stack import parts
from mlsandbox.stack.components import shipper
from mlsandbox.stack.components.base import Component, ModelInputs, Share, StackInputs, direct, per_model
from mlsandbox.stack.spec import (
    Address,
    Condition,
    ConfigPath,
    DataFolder,
    Front,
    Joined,
    ListenHost,
    ListenPort,
    PackagePath,
    Probe,
    Reach,
    Resources,
    Scrape,
    SecretFile,
    ServiceSpec,
    Value,
)
from mlsandbox_serving.contract import Env, Port, Route, Traffic

NAME = "api"
HASH_KEY = SecretFile("hash-key")
API_KEYS = SecretFile("api-keys")
TRAFFIC_KEY = SecretFile("traffic-key")
_HERE: Final = "@address@"
_BEHIND_A_GATEWAY: Final = ("--timeout-keep-alive", "75")
"""Seconds: a connection that is idle is the gateway's to close. Closed here, one may be, just as a request is sent on it."""
_STOP_SECONDS: Final = 10.0
"""Besides the requests that are still answered: loading them, and leaving the spool."""


_TRAFFIC: Final = "traffic.json"


def fronts_of(inputs: StackInputs) -> tuple[Front, ...]:
    """Where each model is asked, whichever version answers."""
    fronts = []
    for model in inputs.models:
        service = inputs.service_of(NAME, model)
        fronts.append(Front(inputs.port(inputs.named(Port.API, model), Reach.PUBLIC), service, direct(service)))
    return tuple(fronts)


def _service(inputs: StackInputs, model: ModelInputs, champion: ModelInputs) -> ServiceSpec:
    front = inputs.named(Port.API, model)
    name = inputs.service_of(NAME, model)
    port = direct(name) if inputs.fronts else front
    env: dict[str, Value] = {
        Env.MODEL: model.name,
        Env.VERSION: model.version,
        Env.SPOOL_DIR: shipper.spool_folder(model.name),
        Env.SPOOL_BYTES: str(inputs.spool_bytes),
        Env.METRICS_DIR: DataFolder(_metrics(inputs, model), "/var/lib/sandbox/metrics"),
        Env.LOG_INPUTS: "1" if inputs.log_inputs else "0",
        Env.MAX_ROWS_PER_EVENT: str(inputs.max_rows_per_event),
        Env.MAX_BODY_BYTES: str(model.max_body_bytes),
        Env.MAX_ROWS: str(model.max_rows),
        Env.TIMEOUT_SECONDS: f"{model.timeout_seconds:.15g}",
        Env.MAX_CONCURRENCY: str(model.max_concurrency),
        Env.WORKERS: str(model.workers),
        Env.LOCAL_NAMES: "0" if inputs.api_keys else "1",
        "BENTOML_DO_NOT_TRACK": "true",
        # Threads of a model that wait for each other by spinning take the processor from those they wait for: on a busy machine, or
        # under a quota, a row takes many times as long (OpenMP 5.0, section 6.7).
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if model.has_hashed_columns:
        env[Env.HASH_KEY_FILE] = HASH_KEY
    if inputs.api_keys:
        env[Env.API_KEYS_FILE] = API_KEYS
    if inputs.fronts:
        env[Env.FRONT] = front
        env[Env.TRAFFIC_FILE] = ConfigPath(_TRAFFIC)
        env[Env.TRAFFIC_KEY_FILE] = TRAFFIC_KEY
    return ServiceSpec(
        name=name,
        environment=model.environment,
        args=(
            *("-m", "bentoml", "serve", PackagePath(), "--host", ListenHost(public=not inputs.fronts), "--port", ListenPort(port)),
            *(_BEHIND_A_GATEWAY if parts.GATEWAY in inputs.parts and inputs.fronts else ()),
        ),
        env=env,
        files={_TRAFFIC: _traffic(inputs, champion)} if inputs.fronts else {},
        live=(_TRAFFIC,) if inputs.fronts else (),
        ports=(inputs.port(port, Reach.STACK if inputs.fronts else Reach.PUBLIC),),
        metrics=Scrape(port, labels={"job": NAME, "model": model.name}),
        liveness=Probe(port, Route.LIVE),
        readiness=Probe(port, Route.READY),
        needs={inputs.named(shipper.NAME, model): Condition.STARTED},  # events wait in the spool: predictions need no shipper
        resources=Resources(memory_bytes=model.memory_bytes),
        stop_grace=model.timeout_seconds + _STOP_SECONDS,
        package=model.package,
        front=front if inputs.fronts else "",
    )


def metrics_folder(model: str, version: str) -> str:
    """The data folder of one version's metrics: each has its own, as files of another start in it are removed."""
    return f"metrics-{model}-{version}"


def _metrics(inputs: StackInputs, model: ModelInputs) -> str:
    return metrics_folder(model.name, model.version) if inputs.fronts else f"metrics-{model.name}"


def _traffic(inputs: StackInputs, champion: ModelInputs) -> Joined:
    """What `contract.Traffic` describes."""
    challenger = champion.challenger
    if challenger is None:
        return Joined((json.dumps({Traffic.CHAMPION: champion.version, Traffic.CHALLENGER: None}) + "\n",))
    share, service = challenger.share or Share(), inputs.service_of(NAME, challenger)
    told = {Traffic.VERSION: challenger.version, Traffic.PERCENT: share.percent, Traffic.SHADOW: share.shadow, Traffic.ADDRESS: _HERE}
    before, after = json.dumps({Traffic.CHAMPION: champion.version, Traffic.CHALLENGER: told}).split(_HERE)
    return Joined((before, Address(service, direct(service)), after + "\n"))


def _services(inputs: StackInputs) -> tuple[ServiceSpec, ...]:
    """Without fronts of the champions alone: what runs beside them is the exporter's affair."""
    return tuple(_service(inputs, version, model) for model in inputs.models for version in (model.versions if inputs.fronts else (model,)))


MODEL = Component(NAME, per_model(Port.API), lambda inputs, _others: _services(inputs))
