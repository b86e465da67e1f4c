"""What people are told about alibi-detect before it works for them."""

from __future__ import annotations

from typing import Final

LICENCE: Final = (
    "The drift engine 'alibi' uses alibi-detect, whose Business Source License 1.1 is free for non-production use; "
    'in production leave it out: [drift] engines = ["native"].'
)
"""One sentence, said once where the engine is switched on."""
