"""The model service: the package, served by BentoML."""

from __future__ import annotations

from typing import Final

from mlsandbox.stack.components import shipper
from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs, per_model
from mlsandbox.stack.spec import (
    Condition,
    DataFolder,
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
from mlsandbox_serving.contract import Env, Port, Route

NAME = "api"
HASH_KEY = SecretFile("hash-key")
API_KEYS = SecretFile("api-keys")
_STOP_SECONDS: Final = 10.0
"""Besides the requests that are still answered: loading them, and leaving the spool."""


def _service(inputs: StackInputs, model: ModelInputs) -> ServiceSpec:
    port = inputs.named(Port.API, model)
    env: dict[str, Value] = {
        Env.MODEL: model.name,
        Env.VERSION: model.version,
        Env.SPOOL_DIR: shipper.spool_folder(model.name),
        Env.SPOOL_BYTES: str(inputs.spool_bytes),
        Env.METRICS_DIR: DataFolder(f"metrics-{model.name}", "/var/lib/sandbox/metrics"),
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
    return ServiceSpec(
        name=inputs.named(NAME, model),
        environment=model.environment,
        args=("-m", "bentoml", "serve", PackagePath(), "--host", ListenHost(public=True), "--port", ListenPort(port)),
        env=env,
        ports=(inputs.port(port, Reach.PUBLIC),),
        metrics=Scrape(port, labels={"job": NAME, "model": model.name}),
        liveness=Probe(port, Route.LIVE),
        readiness=Probe(port, Route.READY),
        needs={inputs.named(shipper.NAME, model): Condition.STARTED},  # events wait in the spool: predictions need no shipper
        resources=Resources(memory_bytes=model.memory_bytes),
        stop_grace=model.timeout_seconds + _STOP_SECONDS,
        package=model.package,
    )


MODEL = Component(NAME, per_model(Port.API), lambda inputs, _others: tuple(_service(inputs, model) for model in inputs.models))
