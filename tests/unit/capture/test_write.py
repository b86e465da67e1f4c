"""Reference data as it is written beside a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mlsandbox_serving.capture import read_reference, write_reference


def test_large_reference_data_is_thinned_out_in_runs(tmp_path: Path) -> None:
    """Of too many rows a hundred thousand must be kept, from the beginning to the end, mostly beside their neighbours."""
    reference = read_reference(pd.DataFrame({"row": np.arange(150_000)}), None, model_names=None)

    kept = pd.read_parquet(tmp_path / write_reference(reference, tmp_path))["row"].to_numpy()

    assert len(kept) == 100_000
    assert (kept[0], kept[-1]) == (0, 149_999)
    assert np.all(np.diff(kept) > 0)
    assert np.mean(np.diff(kept) == 1) > 0.99
