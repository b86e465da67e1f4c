"""Where logged events are delivered: Fluentd, or the log store in a stack without it."""

from __future__ import annotations

from mlsandbox.stack import parts
from mlsandbox.stack.components import fluentd, log_store
from mlsandbox.stack.components.base import StackInputs
from mlsandbox.stack.spec import Address, Joined
from mlsandbox_serving.contract import Port


def log_sink(inputs: StackInputs) -> str:
    """Name of the service."""
    return fluentd.NAME if parts.FLUENTD in inputs.parts else log_store.NAME


def sinks(inputs: StackInputs, beside: Joined | None = None) -> Joined:
    """What a shipper's SINKS hold: the log, and the one beside it."""
    name = log_sink(inputs)
    return Joined((f"{name}=", Address(name, Port.FLUENTD), *((",", *beside.parts) if beside is not None else ())))
