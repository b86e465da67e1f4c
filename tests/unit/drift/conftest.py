"""References that many tests share: building one takes a tenth of a second."""

from __future__ import annotations

import numpy as np
import pytest

from mlsandbox_serving.drift import Profile, build_profile
from support.drift_rows import rows


@pytest.fixture(scope="session")
def profile() -> Profile:
    """Of 10,000 rows without a change."""
    return build_profile(rows(np.random.default_rng(0), 10_000))
