"""`[[drift.detectors]]`: detectors of alibi-detect, by name and arguments. What each argument means is alibi-detect's own affair."""

# ruff: noqa: TRY004 - a value of the wrong type is a mistake in a file, not in this program

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

KNOWN: Final = (
    *("CVMDrift", "CVMDriftOnline", "ChiSquareDrift", "ClassifierDrift", "FETDrift", "FETDriftOnline", "KSDrift", "LSDDDrift"),
    *("LSDDDriftOnline", "MMDDrift", "MMDDriftOnline", "SpotTheDiffDrift"),
)
"""Those that need nothing but rows."""
_FEWEST_ROWS: Final = 50
_USUAL_ROWS: Final = 1_000
_COUNTS: Final = ("batch_size", "epochs", "n_bootstraps", "n_diffs", "n_folds", "n_permutations", "window_size")
"""Arguments that are whole numbers, whichever detector has them."""
_FIELDS: Final = ("name", "arguments", "reference_rows")


@dataclass(frozen=True, slots=True)
class Detector:
    """One of them.

    Args:
        name: its class in `alibi_detect.cd`.
        arguments: for its constructor.
        reference_rows: that it is given at most.
    """

    name: str
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    reference_rows: int = _USUAL_ROWS

    @property
    def document(self) -> dict[str, object]:
        """As in sandbox.toml; what is not set is left out."""
        found: dict[str, object] = {"name": self.name}
        if self.arguments:
            found["arguments"] = dict(self.arguments)
        if self.reference_rows != _USUAL_ROWS:
            found["reference_rows"] = self.reference_rows
        return found


@dataclass(frozen=True, slots=True)
class Detectors:
    """A list of them, each once; in environment variables a list in JSON, or names with commas between them."""

    def parse(self, raw: object, root: Path) -> tuple[Detector, ...]:
        del root
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise ValueError(f'must be a list of tables, each with a name: [[drift.detectors]] name = "MMDDrift"; not {raw!r}')
        found = tuple(map(_detector, raw))
        names = [each.name for each in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"must name each detector once, not {twice} twice")
        return found

    def parse_text(self, text: str, root: Path) -> tuple[Detector, ...]:
        if not text.lstrip().startswith("["):
            return self.parse([{"name": name.strip()} for name in text.split(",") if name.strip()], root)
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ValueError(f"must be names with commas between them, or a list in JSON, which it is not: {error}") from None
        return self.parse(raw, root)

    def json_schema(self) -> dict[str, object]:
        entries = {
            "name": {"enum": list(KNOWN)},
            "arguments": {"type": "object"},
            "reference_rows": {"type": "integer", "minimum": _FEWEST_ROWS},
        }
        return {
            "type": "array",
            "items": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": entries},
        }

    def plain(self, value: object, root: Path) -> object:
        del root
        return [each.document for each in value] if isinstance(value, tuple) else value


def _detector(raw: object) -> Detector:
    if not isinstance(raw, Mapping) or "name" not in raw:
        raise ValueError(f'must hold tables with a name: [[drift.detectors]] name = "MMDDrift"; not {raw!r}')
    unknown = sorted(set(raw) - set(_FIELDS))
    if unknown:
        raise ValueError(f"must hold nothing but {', '.join(_FIELDS)} in each table, not {unknown[0]}")
    return Detector(_name(raw["name"]), _arguments(raw.get("arguments", {})), _rows(raw.get("reference_rows", _USUAL_ROWS)))


def _name(raw: object) -> str:
    if isinstance(raw, str) and raw in KNOWN:
        return raw
    if raw == "TabularDrift":
        raise ValueError("must not name TabularDrift, which is always on")
    close = get_close_matches(str(raw), KNOWN, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"must name detectors of alibi-detect ({', '.join(KNOWN)}), not {raw!r}{meant}")


def _arguments(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"must have arguments as a table: arguments = {{ p_val = 0.001 }}; not {raw!r}")
    try:
        json.dumps(raw, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(f"must have arguments that are texts, numbers, lists and tables, not {dict(raw)!r}") from None
    p_value = raw.get("p_val", 0.5)
    if isinstance(p_value, bool) or not isinstance(p_value, int | float) or not 0 < p_value < 1:
        raise ValueError(f"must have a p_val between 0 and 1, not {p_value!r}")
    for name in _COUNTS:
        value = raw.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"must have a whole number of at least 1 as {name}, not {value!r}")
    return MappingProxyType(dict(raw))


def _rows(raw: object) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < _FEWEST_ROWS:
        raise ValueError(f"must have reference_rows of at least {_FEWEST_ROWS}, not {raw!r}")
    return raw
