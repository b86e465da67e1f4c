"""Facts about a fitted model that are kept beside it: parameters as JSON, the columns it remembers."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import numpy as np

MAX_PARAMETERS: Final = 200
MAX_TEXT: Final = 200
MAX_ITEMS: Final = 20
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""Where an object happens to lie: the same model trained again must have the same parameters."""


def parameters_of(model: object) -> dict[str, Any]:
    """`get_params()` (nested too) or a booster's own parameters, JSON-safe, at most MAX_PARAMETERS; empty when it has none."""
    for name in ("get_params", "params", "get_all_params"):
        found = getattr(model, name, None)
        try:
            values = found() if callable(found) else found
        except Exception:  # noqa: BLE001, S112  # parameters are informative: a model that cannot tell them is served all the same
            continue
        if isinstance(values, dict) and values:
            return {str(key): json_safe(value) for key, value in sorted(values.items(), key=lambda item: str(item[0]))[:MAX_PARAMETERS]}
    return {}


def json_safe(value: Any) -> Any:
    """A JSON value that says what `value` is: itself when it is one, else a short text."""
    plain = value.item() if isinstance(value, np.generic) else value
    safe: Any
    match plain:
        case None | bool() | int():
            safe = plain
        case float():
            safe = plain if math.isfinite(plain) else str(plain)
        case str():
            safe = plain[:MAX_TEXT]
        case list() | tuple() if len(plain) <= MAX_ITEMS:
            safe = [json_safe(each) for each in plain]
        case dict() if len(plain) <= MAX_ITEMS:
            safe = {str(key)[:MAX_TEXT]: json_safe(each) for key, each in plain.items()}
        case type():
            safe = f"{plain.__module__}.{plain.__qualname__}"
        case _ if hasattr(plain, "get_params") or getattr(plain, "shape", None):
            safe = f"{type(plain).__module__}.{type(plain).__qualname__}"
        case _:
            safe = _ADDRESS.sub("", repr(plain))[:MAX_TEXT]
    return safe


def names_of(model: object) -> list[str] | None:
    """The column names that a fitted model remembers, in its order; None when it knows none (fitted on an array)."""
    for attribute in ("feature_names_in_", "feature_names_", "feature_names", "feature_name_", "feature_name"):
        try:
            found = getattr(model, attribute, None)
            names = found() if callable(found) else found
        except Exception:  # noqa: BLE001, S112  # xgboost raises from the property when there are none
            continue
        if names is not None and len(names) and all(isinstance(name, str) for name in names) and not _made_up(names):
            return [str(name) for name in names]
    return None


def _made_up(names: Any) -> bool:
    """Names that a library invents for arrays: f0, Column_0, 0, x0."""
    return any(all(name == f"{prefix}{index}" for index, name in enumerate(names)) for prefix in ("f", "Column_", ""))
