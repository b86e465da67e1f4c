"""Stands in for a model service: shows its metrics, and answers probes; run by path, its argument is the port."""

from __future__ import annotations

import os
import sys
import threading

from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Env
from mlsandbox_serving.probes import ProbeServer
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.readiness import State


def main() -> None:
    """Be ready, having answered a few requests."""
    registry = CollectorRegistry()
    measures = Measures(Identity(os.environ[Env.MODEL], os.environ[Env.VERSION], "sha256:0"), "sklearn", registry, limit=256)
    measures.state(State(golden={"rows": 3, "bit_equal": 3}))
    for _ in range(20):
        measures.answered("/predict", 200, 0.004, received=120, sent=90)
    measures.predicted([3] * 20, ["good"] * 60, [0.9] * 60, by_class=True)
    measures.model_ran(60, 20, 0.002)
    measures.cost(1, 0.001)
    measures.flush()
    body = {"ready": True, "stack_id": os.environ[Env.STACK_ID]}
    probes = ProbeServer("127.0.0.1", int(sys.argv[1]), readiness=lambda: body, registry=registry)
    probes.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
