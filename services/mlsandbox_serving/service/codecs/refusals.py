"""What every decoder of rows refuses in the same words."""

from __future__ import annotations

from typing import Any, NoReturn

from mlsandbox_serving.schema import Fault, SchemaMismatch
from mlsandbox_serving.schema.faults import shortened


def refuse_form(value: Any, expected: str) -> NoReturn:
    """Refuse a body that can be read, and is not rows.

    Raises:
        SchemaMismatch: with the one fault.
    """
    raise SchemaMismatch((Fault(None, None, shortened(value), expected, "wrong form"),), 1)
