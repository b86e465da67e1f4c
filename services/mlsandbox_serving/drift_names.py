"""Names of the drift engines; `contract` gives them on."""

from __future__ import annotations

from typing import Final


class DriftEngine:
    """What looks for drift."""

    NATIVE: Final = "native"
    """Always on; it alone decides about alerts."""
    ALIBI: Final = "alibi"
    """alibi-detect, beside it."""
    LICENCE: Final = (
        "The drift engine 'alibi' uses alibi-detect, whose Business Source License 1.1 is free for non-production use; "
        'in production leave it out: [drift] engines = ["native"].'
    )
    """What people are told where it is switched on."""
