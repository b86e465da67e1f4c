"""The parts that a stack is made of, one file each; a new one is a file and a line in COMPONENTS."""

from mlsandbox.stack.components.base import Component
from mlsandbox.stack.components.log_store import LOG_STORE
from mlsandbox.stack.components.model import MODEL
from mlsandbox.stack.components.shipper import SHIPPER

COMPONENTS: tuple[Component, ...] = (LOG_STORE, SHIPPER, MODEL)
