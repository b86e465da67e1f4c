"""The drift engine `alibi`: alibi-detect's word beside that of the native engine.

Importing this needs numpy alone; alibi-detect is imported by `AlibiEngine.load`, in a thread of its own. Read `reference` (rows as a
table of numbers), `columns` and `embedding` (a table made ready for detectors), `column_tests`, `detectors` and `outliers` (those that
alibi-detect has), `comparison` (all of them on one window), `worker` (the thread), `engine`
(one model) and `beside` (all models of a drift service), which are what others use.
"""

from mlsandbox_serving.drift_alibi.beside import Beside
from mlsandbox_serving.drift_alibi.engine import AlibiEngine
from mlsandbox_serving.drift_alibi.exported import ENGINE, samples
from mlsandbox_serving.drift_alibi.reference import (
    ROWS,
    Reference,
    ReferenceUnreadable,
    WrongColumns,
    build_reference,
    load_reference,
    save_reference,
)
from mlsandbox_serving.drift_alibi.settings import FEWEST_ROWS, Detector, Settings
from mlsandbox_serving.drift_alibi.verdict import (
    ColumnResult,
    DetectorResult,
    Latched,
    Method,
    Outliers,
    Status,
    Verdict,
    WindowResult,
)
from mlsandbox_serving.drift_alibi.worker import Worker

__all__ = [
    "ENGINE",
    "FEWEST_ROWS",
    "ROWS",
    "AlibiEngine",
    "Beside",
    "ColumnResult",
    "Detector",
    "DetectorResult",
    "Latched",
    "Method",
    "Outliers",
    "Reference",
    "ReferenceUnreadable",
    "Settings",
    "Status",
    "Verdict",
    "WindowResult",
    "Worker",
    "WrongColumns",
    "build_reference",
    "load_reference",
    "samples",
    "save_reference",
]
