"""`python -m mlsandbox_serving.log_store`: the embedded log store as a process."""

from __future__ import annotations

import os

from mlsandbox_serving.log_store.process import main

if __name__ == "__main__":
    raise SystemExit(main(os.environ))
