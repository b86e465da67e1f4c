"""The shipper: carries one model's events from its spool to every sink, until each has acknowledged them."""

from __future__ import annotations

from mlsandbox.stack import parts
from mlsandbox.stack.components import drift, elasticsearch
from mlsandbox.stack.components.base import Component, ModelInputs, StackInputs, per_model
from mlsandbox.stack.components.log_sink import log_sink, sinks
from mlsandbox.stack.spec import Condition, DataFolder, ListenHost, ListenPort, Probe, Resources, Scrape, ServiceSpec
from mlsandbox_serving.contract import Env, Port, Route

NAME = "shipper"


def spool_folder(model: str) -> DataFolder:
    """Shared by the model service, which writes it, and the shipper, which empties it."""
    return DataFolder(f"spool-{model}", "/var/lib/sandbox/spool")


def _service(inputs: StackInputs, model: ModelInputs) -> ServiceSpec:
    port, carrier = inputs.named(Port.SHIPPER, model), model.newest  # changes with what is packaged, not with who answers
    more = {Env.ELASTICSEARCH_URL: elasticsearch.URL} if parts.ELASTICSEARCH in inputs.parts else {}
    return ServiceSpec(
        name=inputs.named(NAME, model),
        environment=carrier.environment,
        args=("-m", "mlsandbox_serving.spool.shipper"),
        env={
            Env.MODEL: model.name,
            Env.VERSION: carrier.version,
            Env.SPOOL_DIR: spool_folder(model.name),
            Env.SPOOL_BYTES: str(inputs.spool_bytes),
            Env.LOG_RETENTION_SECONDS: f"{inputs.log_retention_seconds:.0f}",
            Env.SINKS: sinks(inputs, drift.SINK if parts.DRIFT in inputs.parts else None),
            Env.LISTEN_HOST: ListenHost(),
            Env.SHIPPER_PORT: ListenPort(port),
            **more,
        },
        ports=(inputs.port(port),),
        metrics=Scrape(port, labels={"job": NAME, "model": model.name}),
        liveness=Probe(port, Route.LIVE),
        readiness=Probe(port, Route.READY),
        needs={log_sink(inputs): Condition.STARTED},  # not READY: they start side by side; stopped in the reverse order, so that it drains
        resources=Resources(memory_bytes=512 * 1024 * 1024),
        package=carrier.package,
    )


SHIPPER = Component(NAME, per_model(Port.SHIPPER), lambda inputs, _others: tuple(_service(inputs, model) for model in inputs.models))
