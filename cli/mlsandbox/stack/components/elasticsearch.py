"""Elasticsearch, one node, reachable on the stack's private network alone; and the service that sets up its indices, once."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import Condition, DataFolder, PortSpec, Probe, ProgramEnvironment, Resources, ServiceEnvironment, ServiceSpec
from mlsandbox_serving.contract import Env
from mlsandbox_serving.contract import Port as PortName

NAME = "elasticsearch"
SETUP = "elasticsearch-setup"
PORT = 9200
URL = f"http://{NAME}:{PORT}"


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME),
            args=(),
            env={"discovery.type": "single-node", "xpack.security.enabled": "false"},
            ports=(PortSpec(PortName.ELASTICSEARCH, PORT),),
            readiness=Probe(PortName.ELASTICSEARCH, "/_cluster/health?wait_for_status=yellow&timeout=1s", identified=False),
            resources=Resources(memory_bytes=2 * 1024**3),
            stop_grace=30.0,
        ),
        ServiceSpec(
            name=SETUP,
            environment=ServiceEnvironment("log-store"),
            args=("-m", "mlsandbox_serving.elasticsearch.setup"),
            env={Env.ELASTICSEARCH_URL: URL, Env.LOG_RETENTION_SECONDS: f"{inputs.log_retention_seconds:.0f}"},
            runs_once=True,
            needs={NAME: Condition.READY},
        ),
    )


FOLDER = DataFolder("elasticsearch", "/usr/share/elasticsearch/data")
ELASTICSEARCH = Component(NAME, lambda _models: (), _services)
