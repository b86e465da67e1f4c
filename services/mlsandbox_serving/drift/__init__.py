"""Drift: whether the rows that a model is asked about still look like those that it was trained on.

Needs numpy alone. Read `profile`, which describes the reference; `cells`, `bets` and `sequential`, which say how certain a change is;
`severity`, which says how large; `engine`, which puts them together; and `monitor`, which is what others use.
"""

from mlsandbox_serving.drift.monitor import Monitor
from mlsandbox_serving.drift.outliers import OutlierMask, Outlying, Reason
from mlsandbox_serving.drift.profile import Profile, ProfileUnreadable, SelfCheck, build_profile, load_profile, save_profile
from mlsandbox_serving.drift.settings import Settings
from mlsandbox_serving.drift.severity import Severity
from mlsandbox_serving.drift.state import StateUnreadable
from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift.verdict import ColumnFinding, Histogram, KindVerdict, OutlierRates, Verdict

__all__ = [
    "ColumnFinding",
    "Histogram",
    "Kind",
    "KindVerdict",
    "Monitor",
    "OutlierMask",
    "OutlierRates",
    "Outlying",
    "Profile",
    "ProfileUnreadable",
    "Reason",
    "SelfCheck",
    "Settings",
    "Severity",
    "StateUnreadable",
    "Verdict",
    "build_profile",
    "load_profile",
    "save_profile",
]
