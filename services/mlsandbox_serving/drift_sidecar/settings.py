"""What the environment tells the drift service; see `contract.Env`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from mlsandbox_serving.contract import DriftEngine, Env
from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_alibi import FEWEST_ROWS
from mlsandbox_serving.drift_alibi import Settings as AlibiSettings
from mlsandbox_serving.forwarded import Listening
from mlsandbox_serving.spool.sink import Target, parse_targets

NATIVE: Final = DriftEngine.NATIVE
"""The engine that is always on."""

_CHECK_SECONDS: Final = 10.0
_MAX_PREDICTIONS: Final = 500_000
_MAX_AGE_SECONDS: Final = 30 * 86_400.0
_SPOOL_BYTES: Final = 100_000_000
_ANY: Final = "*"
_BETWEEN: Final = re.compile(r",(?=[^/,=]+/[^/,=]+=)")
_ENTRY: Final = re.compile(r"(?P<model>[^/,=]+)/(?P<version>[^/,=]+)=(?P<folder>.+)", re.DOTALL)


class Source(NamedTuple):
    """One version of one model."""

    model: str
    version: str


class Settings(NamedTuple):
    """All settings of the service."""

    folder: Path
    listening: Listening
    profiles: Mapping[Source, Path]
    """Folders of reference profiles, of what is served now; one that is empty, or not there, means that there is no profile."""
    engines: tuple[str, ...]
    monitor: MonitorSettings
    check_seconds: float
    max_predictions: int
    max_age_seconds: float
    alibi: AlibiSettings = AlibiSettings()
    """Of the engine beside, when it is among the engines."""
    engines_off: Mapping[str, str] = MappingProxyType({})
    """Engines that were asked for and are left out, and why."""
    flag_rows: bool = False
    """Whether rows that stand apart get events."""
    sinks: tuple[Target, ...] = ()
    """Where the service's own events go."""
    spool_bytes: int = _SPOOL_BYTES
    """Bound of their spool."""
    retention_seconds: float | None = None
    """Age at which they are dropped when no sink took them; None keeps them."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """The settings out of environment variables.

        Raises:
            KeyError, ValueError: one is missing, malformed or out of bounds.
        """
        given = MonitorSettings()
        monitor = MonitorSettings(
            rows_between_false_alarms=float(environ.get(Env.DRIFT_ROWS_BETWEEN_FALSE_ALARMS) or given.rows_between_false_alarms),
            learn_rows=int(environ.get(Env.DRIFT_LEARN_ROWS) or given.learn_rows),
        )
        return cls(
            folder=Path(environ[Env.DRIFT_DIR]),
            listening=Listening.read(environ, Env.DRIFT_PORT),
            profiles=parse_profiles(environ.get(Env.DRIFT_PROFILES, "")),
            engines=_engines(environ.get(Env.DRIFT_ENGINES, "")),
            monitor=monitor,
            check_seconds=_positive(environ, Env.DRIFT_CHECK_SECONDS, _CHECK_SECONDS),
            max_predictions=int(_positive(environ, Env.DRIFT_MAX_PREDICTIONS, _MAX_PREDICTIONS)),
            max_age_seconds=_positive(environ, Env.DRIFT_MAX_AGE_SECONDS, _MAX_AGE_SECONDS),
            alibi=AlibiSettings.read(
                {
                    "rows_between_false_alarms": monitor.rows_between_false_alarms,
                    "learn_rows": max(monitor.learn_rows, FEWEST_ROWS),
                    "detectors": json.loads(environ.get(Env.DRIFT_DETECTORS) or "[]"),
                }
            ),
            flag_rows=environ.get(Env.DRIFT_FLAG_ROWS) == "1",
            sinks=tuple(parse_targets(environ.get(Env.SINKS, ""))),
            spool_bytes=int(_positive(environ, Env.SPOOL_BYTES, _SPOOL_BYTES)),
            retention_seconds=_positive(environ, Env.LOG_RETENTION_SECONDS, _MAX_AGE_SECONDS),
            engines_off=_texts(Env.DRIFT_ENGINES_OFF, environ.get(Env.DRIFT_ENGINES_OFF) or "{}"),
        )


def parse_profiles(text: str) -> dict[Source, Path]:
    """Folders out of "model/version=folder,model/*=folder of folders"; a folder's name may hold commas.

    A version that is named goes before a folder that is found for it.

    Raises:
        ValueError: malformed, or a version twice.
    """
    profiles: dict[Source, Path] = {}
    for part in filter(None, _BETWEEN.split(text.strip())):
        found = _ENTRY.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not model/version=folder")
        source = Source(found["model"].strip(), found["version"].strip())
        if source in profiles:
            raise ValueError(f"{source.model}/{source.version} has two profiles in {text!r}")
        profiles[source] = Path(found["folder"].strip())
    for any_version in [source for source in profiles if source.version == _ANY]:
        profiles = {**_found(any_version.model, profiles.pop(any_version)), **profiles}
    return profiles


def _found(model: str, folder: Path) -> dict[Source, Path]:
    """The folders in one, by version; those whose names begin with a dot are none."""
    if not folder.is_dir():
        return {}
    return {Source(model, each.name): each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")}


def _engines(text: str) -> tuple[str, ...]:
    named = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys([NATIVE, *named]))


def _texts(name: str, text: str) -> dict[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"{name} is {text!r}: a JSON object of texts")
    return found


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    value = float(environ.get(name) or default)
    if not value > 0:
        raise ValueError(f"{name} is {value}: it must be greater than 0")
    return value
