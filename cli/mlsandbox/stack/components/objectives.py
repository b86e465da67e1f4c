"""What the models promise and what the services may use, as constants that the alert rules are joined with (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from mlsandbox.stack.components.base import ModelInputs
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox_serving.contract import Metrics

AVAILABILITY: Final = "model:sandbox_availability:objective"
LATENCY: Final = "model:sandbox_latency_seconds:objective"
SPOOL: Final = "model:sandbox_spool_bytes:limit"
MEMORY: Final = "instance:sandbox_memory_bytes:limit"
RECORDED: Final = (AVAILABILITY, LATENCY, SPOOL, MEMORY)

_HEAD: Final = """\
# Rendered out of sandbox.toml: [models.<name>.slo], [log] spool_size and the memory limits of the stack's services.
groups:
  - name: sandbox-promises
    rules:
"""


def objective_rules(models: Sequence[ModelInputs], services: Sequence[ServiceSpec], spool_bytes: int) -> str:
    """The text of `rules/objectives.yml`."""
    return _HEAD + "".join(
        f"      - record: {record}\n        expr: vector({value!r})\n        labels: {json.dumps(labels)}\n"
        for record, value, labels in _constants(models, services, spool_bytes)
    )


def latency_bucket(seconds: float) -> str:
    """Label `le` of the bucket that an objective is compared at: the nearest bound at or above it.

    Past the last bound it is the bucket of all requests, none of which is then too slow.
    """
    bound = next((each for each in Metrics.REQUEST_SECONDS.buckets if each >= seconds), None)
    return "+Inf" if bound is None else repr(bound)


def _constants(
    models: Sequence[ModelInputs], services: Sequence[ServiceSpec], spool_bytes: int
) -> Iterator[tuple[str, float, dict[str, str]]]:
    for model in models:
        yield AVAILABILITY, model.availability, {"model": model.name}
        yield LATENCY, model.latency_p95_seconds, {"model": model.name, "le": latency_bucket(model.latency_p95_seconds)}
        yield SPOOL, spool_bytes, {"model": model.name}
    for service in services:
        if service.metrics is not None and service.resources.memory_bytes is not None:
            yield MEMORY, service.resources.memory_bytes, {"instance": service.name}
