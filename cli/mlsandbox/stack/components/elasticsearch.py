"""Elasticsearch, one node, reachable on the stack's private network alone; and the service that sets up its indices, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
    Asset,
    Condition,
    ConfigPath,
    DataFolder,
    PortSpec,
    Probe,
    ProgramEnvironment,
    Resources,
    ServiceEnvironment,
    ServiceSpec,
)
from mlsandbox_serving.contract import Env
from mlsandbox_serving.contract import Port as PortName

NAME = "elasticsearch"
SETUP = "elasticsearch-setup"
PORT = 9200
URL = f"http://{NAME}:{PORT}"
FOLDER = DataFolder(NAME, "/usr/share/elasticsearch/data")

_CONFIG: Final = "/usr/share/elasticsearch/sandbox-config"
_START: Final = f'cp -r config/. {_CONFIG} && cp "$1" {_CONFIG}/elasticsearch.yml && exec /usr/local/bin/docker-entrypoint.sh eswrapper'
"""Elasticsearch writes a keystore into its configuration as it starts, and the image's folder is read-only here: it gets a copy,
and then the image's own way to start. In Bash, as the image's entry point: `sh` may drop variables with a dot in their names."""
_JAVA: Final = "-Xms512m -Xmx512m -XX:-HeapDumpOnOutOfMemoryError -Xlog:disable -Xlog:all=warning:stderr:utctime,level,tags"
"""A heap of fixed size; no dump of it, which would fill the volume of the events; and no file of what garbage was collected, which
would lie in memory here."""


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME),
            args=("bash", "-c", _START, "start", ConfigPath("elasticsearch.yml")),
            env={"ES_PATH_CONF": _CONFIG, "ES_JAVA_OPTS": _JAVA, "ES_SETTING_PATH_DATA": FOLDER},
            files={"elasticsearch.yml": Asset("compose/elasticsearch/elasticsearch.yml")},
            ports=(PortSpec(PortName.ELASTICSEARCH, PORT),),
            readiness=Probe(PortName.ELASTICSEARCH, "/_cluster/health?wait_for_status=yellow&timeout=1s", identified=False),
            scratch=(_CONFIG, "/usr/share/elasticsearch/logs"),
            runs_from_tmp=True,  # Java Native Access unpacks its library there
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
            resources=Resources(memory_bytes=128 * 1024**2),
        ),
    )


ELASTICSEARCH = Component(NAME, lambda _models: (), _services)
