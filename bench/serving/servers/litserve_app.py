"""LitServe, as its documentation writes a server of a scikit-learn model: one API server, one worker on the CPU."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import joblib
import litserve
import numpy as np
import pandas as pd


class Api(litserve.LitAPI):  # type: ignore[misc, unused-ignore]  # untyped where LitServe is not installed
    def setup(self, device: Any) -> None:  # noqa: ARG002 - LitServe's signature
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    def decode_request(self, request: Mapping[str, Any]) -> Any:
        return np.asarray(request["rows"]) if os.environ["BENCH_INPUT"] == "array" else pd.DataFrame(request["rows"])

    def predict(self, x: Any) -> Any:
        return self.model.predict(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
