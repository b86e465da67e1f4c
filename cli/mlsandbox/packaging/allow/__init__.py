"""Exact lists of the classes and functions that a model's pickle may reference: one text file per library, "module qualname" a line.

A whole package is never allowed: numpy, pandas and scipy hold callables that evaluate text. Made and checked by tools/allow_lists.py.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mlsandbox.packaging.pickle_values import Pair


@lru_cache(maxsize=1)
def allowed_globals() -> frozenset[Pair]:
    """Every pair (module, qualified name) of every list."""
    pairs: set[Pair] = set()
    for path in Path(__file__).parent.glob("*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                module, qualname = line.split(" ")
                pairs.add((module, qualname))
    return frozenset(pairs)
