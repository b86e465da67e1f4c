"""Every name that two programs must agree on: environment variables, routes, ports, metrics, event fields, package files.

Standard library only, so that the host tool can import it without the rest of the served code.
Names follow the field's standards: Prometheus naming for metrics, the Elastic Common Schema for event fields,
the Fluentd Forward protocol for the wire between spool and stores.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mlsandbox_serving.drift_names import DriftEngine
from mlsandbox_serving.env_names import Env
from mlsandbox_serving.front_names import Handover, Traffic
from mlsandbox_serving.metric_names import Metric, Metrics, MetricType, all_metrics
from mlsandbox_serving.package_names import PackageFile, ProfileFile

__all__ = [
    "BLOCK_SIZE",
    "CAPTURE_FILE",
    "DRIFT_FORWARD",
    "ECS_VERSION",
    "ENVELOPES",
    "FIRST_PORT",
    "GAPS",
    "SCHEMA_VERSION",
    "Action",
    "Dataset",
    "Deliver",
    "DriftEngine",
    "Env",
    "ErrorCode",
    "Field",
    "Finder",
    "Handover",
    "Header",
    "Index",
    "LogTable",
    "Metric",
    "MetricType",
    "Metrics",
    "ModelKind",
    "NotReady",
    "Origin",
    "PackageFile",
    "Port",
    "ProfileFile",
    "Replayer",
    "Route",
    "Traffic",
    "all_metrics",
]

SCHEMA_VERSION: Final = 1
"""Version of package.json, capture.json, schema.json, golden.json and of event records."""


class Route:
    """HTTP routes of a model service (design: what a request goes through)."""

    PREDICT: Final = "/predict"
    FEEDBACK: Final = "/feedback"
    """Takes labels: what predictions should have been."""
    SCHEMA: Final = "/schema"
    OPENAPI: Final = "/docs.json"
    LIVE: Final = "/livez"
    READY: Final = "/readyz"
    METRICS: Final = "/metrics"
    PAGE: Final = "/"
    """For people: what the model takes, with a form to ask it."""
    V2: Final = "/v2"
    """The Open Inference Protocol (https://github.com/kserve/open-inference-protocol), version 2 over HTTP."""
    V2_LIVE: Final = "/v2/health/live"
    V2_READY: Final = "/v2/health/ready"
    V2_MODEL: Final = "/v2/models/{model}"
    """Also with `/versions/{version}` after it, as the two below."""
    V2_MODEL_READY: Final = "/v2/models/{model}/ready"
    V2_INFER: Final = "/v2/models/{model}/infer"
    ALERTS: Final = "/alerts"
    """Of the shipper: takes Alertmanager's webhook."""
    STATUS: Final = "/status"
    """Of the drift service: the verdicts as JSON."""
    REPORT: Final = "/report"
    """Of the drift service: the verdicts and the shares of every column, as JSON."""
    REPORT_PAGE: Final = "/report.html"
    """Of the drift service: the same as a page."""


class Header:
    REQUEST_ID: Final = "x-request-id"
    MODEL_VERSION: Final = "x-model-version"
    PACKAGE_DIGEST: Final = "x-package-digest"
    """Of the package that answered, "sha256:…"; with MODEL_VERSION in every answer of a model service."""
    ENTITY: Final = "x-entity-id"
    """What a request is about, of the client's choice: all requests of one entity are answered by the same version while a challenger
    gets a share; without it the request's own id decides."""
    FORWARDED: Final = "x-sandbox-forwarded"
    """Of requests that a champion sends on to its challenger, "split;nonce;code", or "shadow;…" of copies: who gets one answers it itself,
    with a code of its own under the same name (`service/seal.py`). One whose code is not right says nothing."""
    TRACEPARENT: Final = "traceparent"
    API_KEY: Final = "x-api-key"
    AUTHORIZATION: Final = "authorization"
    """Or the key here, as `Bearer KEY` (RFC 6750, section 2.1)."""
    INFERENCE_LENGTH: Final = "inference-header-content-length"
    """Of Triton's binary tensors: bytes of the JSON in front of them."""
    ORIGIN: Final = "x-sandbox-origin"
    """`Origin`, of requests that `sandbox` made itself."""


class Origin:
    """Values of `sandbox.origin`: requests that nobody meant; no baseline is made of them."""

    INJECTED: Final = "inject"
    """Drift made on purpose."""
    EXAMPLE: Final = "example"
    """The row that shows that the model answers."""
    SHADOW: Final = "shadow"
    """A copy of a request that the champion answered, for a challenger; only of what was sent on."""
    ALL: Final = frozenset({INJECTED, EXAMPLE, SHADOW})


class Port(StrEnum):
    """Slots of a project's block of ten ports, in order; CONSOLE and SHIPPER.. keep their place for what is not built yet."""

    API = "api"
    CONSOLE = "console"
    GRAFANA = "grafana"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"
    ELASTICSEARCH = "elasticsearch"
    FLUENTD = "fluentd"
    DRIFT = "drift"
    SHIPPER = "shipper"
    LOG_STORE = "log-store"


DRIFT_FORWARD: Final = "drift-forward"
"""Name of the port on which the drift service takes events; it has no slot in the block."""

FIRST_PORT: Final = 7310
BLOCK_SIZE: Final = 10

ENVELOPES: Final = ("rows", "columns")
"""The keys by which a request holds several rows; a model with a column of such a name takes no single row without one."""


class Dataset:
    """Values of `event.dataset`; also the last part of the Forward tag."""

    PREDICTION: Final = "sandbox.prediction"
    ERROR: Final = "sandbox.error"
    FEEDBACK: Final = "sandbox.feedback"
    DRIFT: Final = "sandbox.drift"
    """Of the drift service: alerts that were raised or cleared."""
    OUTLIERS: Final = "sandbox.outliers"
    """Of the drift service: rows of a prediction that are unlike the reference."""


class Action:
    """Values of `event.action`, of the drift service's events."""

    RAISED: Final = "drift-raised"
    ESCALATED: Final = "drift-escalated"
    """What was certain before is large enough to matter now."""
    CLEARED: Final = "drift-cleared"
    OUTLIERS: Final = "outliers"


class Field:
    """Event fields: Elastic Common Schema names, flat with dots, then our own under `sandbox.`.

    Source: https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html (names; event.duration is nanoseconds).
    """

    TIMESTAMP: Final = "@timestamp"
    ECS_VERSION: Final = "ecs.version"
    EVENT_ID: Final = "event.id"
    EVENT_KIND: Final = "event.kind"
    EVENT_ACTION: Final = "event.action"
    EVENT_DATASET: Final = "event.dataset"
    EVENT_OUTCOME: Final = "event.outcome"
    EVENT_DURATION: Final = "event.duration"
    EVENT_HASH: Final = "event.hash"
    """Of a prediction: digest of what a replay needs of the event (`event_digest`), by which a changed one is known."""
    EVENT_SEQUENCE: Final = "event.sequence"
    """Of feedback: the label's place in its request."""
    SERVICE_NAME: Final = "service.name"
    SERVICE_VERSION: Final = "service.version"
    REQUEST_ID: Final = "http.request.id"
    """Of feedback: the request whose prediction is labelled."""
    METHOD: Final = "http.request.method"
    STATUS: Final = "http.response.status_code"
    PATH: Final = "url.path"
    LEVEL: Final = "log.level"
    MESSAGE: Final = "message"
    TRACE_ID: Final = "trace.id"
    ERROR_CODE: Final = "error.code"
    ERROR_MESSAGE: Final = "error.message"
    ERROR_STACK: Final = "error.stack_trace"
    MODEL: Final = "sandbox.model"
    VERSION: Final = "sandbox.version"
    DIGEST: Final = "sandbox.package_digest"
    ORIGIN: Final = "sandbox.origin"
    """`Origin`; not there when the request came from elsewhere."""
    ROWS: Final = "sandbox.rows"
    INPUTS: Final = "sandbox.inputs"
    PREDICTIONS: Final = "sandbox.predictions"
    PROBABILITIES: Final = "sandbox.probabilities"
    CLASSES: Final = "sandbox.classes"
    """Of a classifier: its classes in the order of the probabilities; empty when they are not known, or too many to repeat."""
    TRUNCATED: Final = "sandbox.truncated"
    FEEDBACK_ROW: Final = "sandbox.feedback.row"
    FEEDBACK_LABEL: Final = "sandbox.feedback.label"
    DRIFT_KIND: Final = "sandbox.drift.kind"
    """What an alert is about: features, prediction, outliers or performance."""
    DRIFT_ENGINE: Final = "sandbox.drift.engine"
    DRIFT_SEVERITY: Final = "sandbox.drift.severity"
    DRIFT_CERTAIN: Final = "sandbox.drift.certain"
    DRIFT_PAGE: Final = "sandbox.drift.page"
    """Whether an alert is certain and large enough to matter."""
    DRIFT_SINCE: Final = "sandbox.drift.since_row"
    DRIFT_ROWS_SINCE: Final = "sandbox.drift.rows_since"
    DRIFT_COLUMNS: Final = "sandbox.drift.columns"
    """Names of the worst columns, or of those for which rows stand apart."""
    DRIFT_FINDINGS: Final = "sandbox.drift.findings"
    """What is known of each of these columns."""
    DRIFT_PREDICTION: Final = "sandbox.drift.prediction_id"
    """`event.id` of the prediction whose rows stand apart."""
    DRIFT_FLAGGED: Final = "sandbox.drift.flagged"
    """How many of its rows do."""
    DRIFT_FLAGS: Final = "sandbox.drift.flags"
    """These rows, each with its index and the reason of each column: never a value."""


ECS_VERSION: Final = "9.0.0"


class LogTable:
    """The embedded log store's database: `events.sqlite3` in its folder, one table, one row per event."""

    FILE: Final = "events.sqlite3"
    NAME: Final = "events"
    ROWID: Final = "seq"
    """Grows with each stored event and is never used twice."""
    ID: Final = "id"
    TIMESTAMP: Final = "timestamp"
    """Epoch nanoseconds."""
    DATASET: Final = "dataset"
    MODEL: Final = "model"
    VERSION: Final = "version"
    REQUEST_ID: Final = "request_id"
    TRACE_ID: Final = "trace_id"
    STATUS: Final = "status"
    OUTCOME: Final = "outcome"
    ERROR_CODE: Final = "error_code"
    LEVEL: Final = "level"
    """The event's `log.level`; without one "error" for what failed, else "info"."""
    SEVERITY: Final = "severity"
    """The level as a number: place in LEVELS."""
    BODY: Final = "body"
    """The whole record as a JSON object."""
    LEVELS: Final = ("debug", "info", "warning", "error", "critical")


class Index:
    """Elasticsearch's: template, policy and the beginning of the names of indices; the day follows, "sandbox-events-2026.03.01"."""

    EVENTS: Final = "sandbox-events"
    DEAD_LETTER: Final = "sandbox-dead-letter"


class Deliver:
    """What brings a package onto a volume, in the container of a model's image: `python -m PROGRAM fill|verify BENTO TARGET`."""

    PROGRAM: Final = "mlsandbox_serving.deliver"
    TAMPERED: Final = 3
    """Exit code: no other try will help."""


class Finder:
    """Programs that find logged events, run once more in a service's environment: `python -m <module>`.

    One line on standard input: {"requests": bool, "errors": bool, "drift": bool, "outliers": bool, "predictions": bool,
    "request_id": str|null, "level": str|null (one of `LogTable.LEVELS`, or worse), "model": str|null, "version": str|null,
    "since": epoch seconds|null, "limit": int, "rows": int|null, "follow": bool}. Events that match all of it come on standard output, one
    JSON object per line, the newest `limit` of them, oldest first; with `follow` then every new one, until standard input is closed. With
    `rows` they come newest first, as they are found, and end before they hold more rows than that together; nothing is followed then.
    What fails ends it with FAILED and one line on standard error: {"error": {"code": str, "message": str}}.
    """

    LOG_STORE: Final = "mlsandbox_serving.log_store.find"
    """Beside the log store."""
    ELASTICSEARCH: Final = "mlsandbox_serving.elasticsearch.find"
    """Beside a shipper of a stack that has Elasticsearch."""
    FITS: Final = "sandbox.hash_fits"
    """In what is found with `predictions`: whether `Field.EVENT_HASH` is the event's; null where it has none."""
    FAILED: Final = 3
    """Exit code."""
    ABSENT: Final = "ABSENT"
    """Error code: nothing was logged yet."""
    UNREADABLE: Final = "UNREADABLE"
    """Error code: the log is damaged, or answers what it should not."""
    UNREACHABLE: Final = "UNREACHABLE"
    """Error code: the log does not answer."""
    INVALID: Final = "INVALID"
    """Error code: standard input does not hold the conditions."""


class Replayer:
    """What answers rows as a package's service would, in the model's environment: `python -m PROGRAM BENTO [MODEL]`.

    Reads one JSON object per line, {"id": any, "columns": {name: [values]}} or {"id": any, "rows": [{…}]}, and answers each with one line
    before it reads the next: {"id", "predictions", "probabilities" (null when the model has none), "seconds" that the model took,
    "tolerance": {"predictions", "probabilities": {"rtol", "atol"} or null where only equal is the same}}, with values as events hold
    them, or {"id", "error": {"code": of ErrorCode, "message"}}. A model that cannot be served ends it with UNSERVABLE and a last line
    {"error": {"code": of NotReady, "message"}} on standard error.
    """

    PROGRAM: Final = "mlsandbox_serving.replay"
    UNSERVABLE: Final = 3
    """Exit code."""
    MISUSED: Final = 2
    """Exit code: there is no bento in the folder."""


class ErrorCode:
    """`error.code` of an answer; the HTTP status is in the comment."""

    BAD_REQUEST: Final = "BAD_REQUEST"  # 400: no HTTP
    UNREADABLE_BODY: Final = "UNREADABLE_BODY"  # 400
    UNAUTHORIZED: Final = "UNAUTHORIZED"  # 401: no API key, or one that is not known
    NOT_FOUND: Final = "NOT_FOUND"  # 404
    METHOD_NOT_ALLOWED: Final = "METHOD_NOT_ALLOWED"  # 405
    MISDIRECTED: Final = "MISDIRECTED"  # 421: asked by a name that is not this service's
    BODY_TOO_LARGE: Final = "BODY_TOO_LARGE"  # 413
    TOO_MANY_ROWS: Final = "TOO_MANY_ROWS"  # 413
    UNSUPPORTED_MEDIA_TYPE: Final = "UNSUPPORTED_MEDIA_TYPE"  # 415
    SCHEMA_MISMATCH: Final = "SCHEMA_MISMATCH"  # 422
    FEEDBACK_INVALID: Final = "FEEDBACK_INVALID"  # 422: an item of /feedback is no label of a row
    MODEL_REJECTED_INPUT: Final = "MODEL_REJECTED_INPUT"  # 422: ValueError or TypeError raised by the model on schema-valid rows
    HEADERS_TOO_LARGE: Final = "HEADERS_TOO_LARGE"  # 431
    MODEL_FAILED: Final = "MODEL_FAILED"  # 500: anything else raised by the model; the traceback is in the event, never in the answer
    INTERNAL: Final = "INTERNAL"  # 500: a fault of the service itself
    NOT_READY: Final = "NOT_READY"  # 503
    OVERLOADED: Final = "OVERLOADED"  # 503: more requests, or more bytes of them, than are taken at once
    TIMEOUT: Final = "TIMEOUT"  # 504; 408 when it was the request that did not arrive in time


class NotReady:
    """`code` of a /readyz body while it is 503.

    Body: {"ready": bool, "stack_id": str, "model": str, "version": str, "code": str|null, "reason": str|null,
    "final": bool, "details": {…}, "golden": {"rows": int, "bit_equal": int}|null}. `final` means: waiting will not help.
    """

    LOADING: Final = "LOADING"
    LOAD_FAILED: Final = "LOAD_FAILED"
    MODEL_DIGEST_MISMATCH: Final = "MODEL_DIGEST_MISMATCH"
    GOLDEN_MISMATCH: Final = "GOLDEN_MISMATCH"
    MODEL_STUCK: Final = "MODEL_STUCK"
    """It does not come back from a request; those that wait behind it get 504."""
    SPOOL_UNWRITABLE: Final = "SPOOL_UNWRITABLE"
    STORE_UNWRITABLE: Final = "STORE_UNWRITABLE"
    """Of the log store: its database takes no events; they stay in the spool."""
    STATE_IN_USE: Final = "STATE_IN_USE"
    """Of the drift service: another one still has its folder."""
    STOPPING: Final = "STOPPING"


GAPS: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"})
"""Words of a CSV cell that stand for a missing value, in small letters; in a column of which one is a category it is that."""

CAPTURE_FILE: Final = "capture.json"
"""What was recorded where a model was trained; beside the model in its project."""


class ModelKind(StrEnum):
    """How a model file is loaded."""

    SKLEARN = "sklearn"
    """Any pickle (plain, joblib or cloudpickle) of an object with `predict`: scikit-learn and the scikit-learn wrappers of the boosters."""
    XGBOOST = "xgboost"
    """Native .ubj, .json."""
    LIGHTGBM = "lightgbm"
    """Native .txt."""
    CATBOOST = "catboost"
    """Native .cbm."""
    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    MLFLOW = "mlflow"
    """A folder with an `MLmodel` file, served as its python_function flavour."""
    PYTHON = "python"
    """`predict.py:Predictor`: a class with `predict(frame)`."""
