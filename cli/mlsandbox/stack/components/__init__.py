"""The parts that a stack is made of, one file each; a new one is a file and a line in COMPONENTS."""

from mlsandbox.stack.components.alertmanager import ALERTMANAGER
from mlsandbox.stack.components.base import Component
from mlsandbox.stack.components.drift import DRIFT
from mlsandbox.stack.components.elasticsearch import ELASTICSEARCH
from mlsandbox.stack.components.elasticsearch_exporter import ELASTICSEARCH_EXPORTER
from mlsandbox.stack.components.fluentd import FLUENTD
from mlsandbox.stack.components.gateway import GATEWAY
from mlsandbox.stack.components.grafana import GRAFANA
from mlsandbox.stack.components.log_store import LOG_STORE
from mlsandbox.stack.components.model import MODEL
from mlsandbox.stack.components.prometheus import PROMETHEUS
from mlsandbox.stack.components.shipper import SHIPPER

# In this order: what a service needs before it; Prometheus last, which scrapes all the others.
COMPONENTS: tuple[Component, ...] = (
    ELASTICSEARCH,
    ELASTICSEARCH_EXPORTER,
    FLUENTD,
    LOG_STORE,
    DRIFT,
    SHIPPER,
    MODEL,
    GATEWAY,
    ALERTMANAGER,
    GRAFANA,
    PROMETHEUS,
)
