"""How well a model predicts, once labels say what its predictions should have been.

`reading` (events as predictions and labels), `database` (their tables), `adding` (each event once), `joined` (labelled rows as arrays),
`metrics` (numbers of them, equal to scikit-learn's), `store` (all of it, bounded). Needs numpy and the standard library alone.
"""

from mlsandbox_serving.performance.adding import Added
from mlsandbox_serving.performance.joined import Window
from mlsandbox_serving.performance.store import Performance, PerformanceStore, Totals

__all__ = ["Added", "Performance", "PerformanceStore", "Totals", "Window"]
