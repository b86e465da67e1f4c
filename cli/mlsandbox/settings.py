"""All settings of sandbox.toml, each documented at its field. docs/sandbox.schema.json and `sandbox config` are made from these.

A reserved setting is part of the file format and is checked, but this version does nothing with it; `sandbox config validate` says so.
"""
# ruff: noqa: RUF009 - setting() makes a dataclass field; the nested tables are frozen

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlsandbox.setting_detectors import Detector, Detectors
from mlsandbox.setting_kinds import (
    AnyKind,
    Boolean,
    Choice,
    Duration,
    Host,
    Integer,
    ListOf,
    LocalPath,
    ModelPath,
    ModelSource,
    NamedTables,
    NamedValues,
    Share,
    Size,
    Table,
    Text,
)
from mlsandbox.stack.hosts import LOOPBACK, is_loopback
from mlsandbox.stack.parts import OPTIONAL
from mlsandbox_serving.contract import DriftEngine, Port

NAME = Text("[a-z][a-z0-9-]{0,40}", "a name of lower-case letters, digits and hyphens that starts with a letter (at most 41)")
_SLOTS = "|".join(slot.value for slot in Port)
PORT_NAME = Text(f"({_SLOTS})(-[a-z][a-z0-9-]{{0,40}})?", f"a port: {', '.join(slot.value for slot in Port)}, or one of them with -<model>")
_TEXT = Text()
_HOST = r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9])"
_IMAGE = Text(_HOST + r"[A-Za-z0-9_./:{}-]*(@[a-z0-9]+:[0-9a-f]+)?", 'the name of an image, "python:3.11-slim"')
_REGISTRY = Text(_HOST + r"(?!.*//)[A-Za-z0-9_./:-]*", 'a registry without "https://", and a folder in it if need be')


def setting(doc: str, kind: AnyKind, default: Any = MISSING, *, key: str = "", env: str = "", reserved: bool = False) -> Any:
    """One setting.

    Args:
        doc: what it does, one line.
        kind: how it is read.
        default: its value when nothing sets it; left out: it must be given.
        key: its name in sandbox.toml, when that is not the field's.
        env: its environment variable, when that is not SANDBOX_ and the path in capitals.
        reserved: known and checked, without effect in this version.
    """
    metadata = {"doc": doc, "kind": kind, "key": key, "env": env, "reserved": reserved}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: MappingProxyType(dict(default)), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """`[models.<name>.serving]`: limits of the endpoint."""

    workers: int = setting("Worker processes of the model service.", Integer(1, 64), 1)
    max_body: int = setting("Largest request body; more is answered with 413. Bytes.", Size(), 10_000_000)
    max_rows: int = setting("Most rows in one request; more is answered with 413.", Integer(), 100_000)
    memory: int = setting("Memory of the model service; past it the service is started anew. Bytes.", Size(1_000_000), 4 * 1024**3)
    timeout: float = setting("Longest time for one request; past it the answer is 504. Seconds.", Duration(), 30.0)
    max_concurrency: int = setting("Most requests at once, of all workers; more are answered with 503.", Integer(), 256)


@dataclass(frozen=True, slots=True)
class SloConfig:
    """`[models.<name>.slo]`: what is promised of the endpoint."""

    latency_p95: float = setting("95% of requests are answered within this. Seconds.", Duration(), 0.05)
    availability: float = setting("Share of requests answered without a server error.", Share(), 0.999)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """`[models.<name>]`: one model."""

    name: str
    source: ModelSource = setting(
        'The model: .joblib, .pkl, .onnx, .ubj, .json, .txt, .cbm, .pt, an MLflow folder, or "predict.py:Predictor".',
        ModelPath(),
        key="path",
    )
    reference: Path | None = setting("Training inputs (a sample is enough): .parquet, .arrow, .csv, .csv.gz or .jsonl.", LocalPath(), None)
    target: str | None = setting("Column of the reference data that holds the label; not an input.", _TEXT, None)
    requirements: Path | None = setting(
        "What the model was trained with: requirements.txt, pyproject.toml, uv.lock, or MLflow's own files.", LocalPath(), None
    )
    python: Path | None = setting("Interpreter the model was trained with, when requirements do not say.", LocalPath(anywhere=True), None)
    code: tuple[Path, ...] = setting(
        "Own modules and packages that the model needs when it is loaded; a folder that is no package holds them.", ListOf(LocalPath()), ()
    )
    trust: bool = setting("Load the model even when its pickle uses code outside the allow-list.", Boolean(), default=False)
    private: tuple[str, ...] = setting("Columns that are never logged.", ListOf(_TEXT), ())
    hashed: tuple[str, ...] = setting("Columns that are logged as a keyed hash.", ListOf(_TEXT), ())
    output: str = setting(
        "predict_proba: answers hold probabilities beside labels when the model has them; predict: labels alone.",
        Choice(("predict", "predict_proba")),
        "predict_proba",
    )
    serving: ServingConfig = setting("Limits of the endpoint.", Table(ServingConfig), ServingConfig())
    slo: SloConfig = setting("What is promised of the endpoint.", Table(SloConfig), SloConfig())

    @property
    def path(self) -> Path:
        """The model's file or folder, absolute."""
        return self.source.file

    @property
    def entry(self) -> str | None:
        """The class in a plain Python file."""
        return self.source.entry


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`[log]`: events and how long they are kept."""

    inputs: bool = setting("Whether events hold input values.", Boolean(), default=True)
    retention: float = setting("Age at which events leave the log store. Seconds.", Duration(), 604_800.0)
    spool_size: int = setting(
        "Bound of a model's event spool; past it the oldest unshipped events go. Bytes.", Size(1_000_000), 1_000_000_000
    )
    max_rows_per_event: int = setting("Rows whose values one event holds; the rest is counted only.", Integer(), 1_000)


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """`[drift]`: comparison of live data with the reference."""

    engines: tuple[str, ...] = setting(
        "What looks for drift: native is always on and decides about alerts, alibi gives a second opinion (free for non-production use).",
        ListOf(Choice((DriftEngine.NATIVE, DriftEngine.ALIBI))),
        (DriftEngine.NATIVE, DriftEngine.ALIBI),
    )
    detectors: tuple[Detector, ...] = setting(
        "Further detectors of alibi-detect: tables with name and, if need be, arguments and reference_rows.", Detectors(), ()
    )
    rows_between_false_alarms: int = setting("Mean number of rows between two false alarms.", Integer(), 1_000_000)
    flag_rows: bool = setting(
        "Whether each prediction with rows unlike the reference (out of range, unseen, missing) is logged once more, with which and why.",
        Boolean(),
        default=False,
    )


@dataclass(frozen=True, slots=True)
class StackConfig:
    """`[stack]`: how the services are run."""

    engine: str = setting("What runs the services.", Choice(("auto", "docker", "embedded")), "auto", env="SANDBOX_ENGINE")
    profile: str = setting(
        "Which services the docker engine runs; lite has a small log store instead of Fluentd and Elasticsearch.",
        Choice(("full", "lite")),
        "full",
        env="SANDBOX_PROFILE",
    )
    exclude: tuple[str, ...] = setting("Services that are left out.", ListOf(Choice(OPTIONAL)), (), env="SANDBOX_EXCLUDE")
    host: str = setting("Address that the API binds; at others than loopback it asks for an API key.", Host(), LOOPBACK)
    api_keys: bool = setting("Whether the API asks for a key on loopback, too.", Boolean(), default=False)
    ports: Mapping[str, int] = setting("Pinned ports; one that is taken is an error.", NamedValues(Integer(1, 65_535), PORT_NAME), {})
    images: Mapping[str, str] = setting(
        "Container images instead of the usual ones, by the keys of compose/images.toml.", NamedValues(_IMAGE, NAME), {}
    )
    registry: str = setting('Put before the name of every usual image, for a mirror: "mirror.example.org/hub".', _REGISTRY, "")
    ca: Path | None = setting(
        "Certificates of authorities, PEM, that image builds and the containers trust besides the usual ones.",
        LocalPath(anywhere=True),
        None,
    )
    proxy: str = setting("HTTP proxy of image builds and containers; else HTTPS_PROXY and HTTP_PROXY, with NO_PROXY.", _TEXT, "")

    @property
    def asks_for_keys(self) -> bool:
        """Whether the API answers nobody without a key."""
        return self.api_keys or not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole of sandbox.toml."""

    name: str = setting("Name of the project and of its stack.", NAME)
    schema: int = setting("Version of this file's format.", Integer(1, 1), 1)
    models: Mapping[str, ModelConfig] = setting("The models, by name.", NamedTables(ModelConfig, NAME), {})
    log: LogConfig = setting("Events and how long they are kept.", Table(LogConfig), LogConfig())
    drift: DriftConfig = setting("Comparison of live data with the reference.", Table(DriftConfig), DriftConfig())
    stack: StackConfig = setting("How the services are run.", Table(StackConfig), StackConfig())
