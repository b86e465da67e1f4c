"""The built distribution, as the packaging tests look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Built:
    """Paths of what one build made: the source distribution, the wheel from it, and the wheel straight from the checkout."""

    sdist: Path
    wheel: Path
    wheel_from_tree: Path
