"""A reference that many tests share."""

from __future__ import annotations

import numpy as np
import pytest

from mlsandbox_serving.drift_alibi import Reference, build_reference
from support.drift_rows import rows


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Of 3,000 rows without a change."""
    return build_reference(rows(np.random.default_rng(0), 3_000))
