"""Flask written by hand."""

import os
from typing import Any

import joblib
import numpy as np
import pandas as pd
from flask import Flask, request

app = Flask(__name__)
model = joblib.load(os.environ["BENCH_MODEL"])
to_input = np.asarray if os.environ["BENCH_INPUT"] == "array" else pd.DataFrame


def predict() -> dict[str, Any]:
    return {"predictions": model.predict(to_input(request.get_json()["rows"])).tolist()}


app.post("/predict")(predict)
