"""Outliers: rows that stand apart from the reference, by alibi-detect's isolation forest, a window at a time.

To the forest a missing value is an ordinary one, so rows without a value where the reference always has one are counted beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.embedding import Embedding
from mlsandbox_serving.drift_alibi.verdict import Outliers


class OutlierForest:
    """Grown on the reference; the same one every time.

    Args:
        library: the module `alibi_detect.od`.
        embedding: of the reference.
        table: rows of the reference.
        share: of them that is odd.

    Raises:
        ValueError: there is no column to look at.
    """

    def __init__(self, library: Any, embedding: Embedding, table: Floats, share: float) -> None:
        points = embedding.ordinary(table)
        if not points.shape[1]:
            raise ValueError("there are no input columns")
        self._embedding = embedding
        self._share = share
        self._forest = library.IForest(threshold=0.0)
        self._forest.isolationforest.set_params(random_state=0)
        self._forest.fit(points)
        self._forest.infer_threshold(points, threshold_perc=100.0 * (1.0 - share))

    def look(self, table: Floats) -> Outliers:
        """Look at the rows of a window."""
        odd = self._forest.predict(self._embedding.ordinary(table))["data"]["is_outlier"].astype(bool)
        incomplete = self._embedding.is_incomplete(table)
        return Outliers(len(table), _share(odd), _share(incomplete), _share(odd | incomplete), self._share)


def _share(marks: NDArray[np.bool_]) -> float:
    return float(marks.mean()) if len(marks) else 0.0
