"""A small model that takes a moment to fit, for tests of whole projects."""

TRAIN = """
import sys
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
import mlsandbox
frame = pd.DataFrame({
    "age": [float(18 + (7 * i) % 60) for i in range(400)],
    "children": [(3 * i) % 5 for i in range(400)],
    "plan": [("basic", "plus", "pro")[(i * i) % 3] for i in range(400)],
    "postcode": [f"{(17 * i) % 100:05d}" for i in range(400)],
})
label = (frame["age"] / 60 + frame["children"] / 5 + (frame["plan"] == "pro") > 1.1).map({True: "leaves", False: "stays"})
model = make_pipeline(
    ColumnTransformer([
        ("number", StandardScaler(), ["age", "children"]),
        ("code", OneHotEncoder(handle_unknown="ignore"), ["plan", "postcode"]),
    ]),
    LogisticRegression(C=float(sys.argv[2])),
).fit(frame, label)
mlsandbox.save(model, sys.argv[1], reference=frame, target=label, metrics={"accuracy": float(model.score(frame, label))}, path=".")
"""
"""Trains a small pipeline with numbers, categories and leading zeros, and saves it: arguments name and C."""
