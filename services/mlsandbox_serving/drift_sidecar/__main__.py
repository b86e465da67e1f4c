"""`python -m mlsandbox_serving.drift_sidecar`: the drift service as a process."""

from __future__ import annotations

import os

from mlsandbox_serving.drift_sidecar.process import main

if __name__ == "__main__":
    raise SystemExit(main(os.environ))
