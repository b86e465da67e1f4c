"""Train the example model and hand it to the sandbox: `python examples/employment/train.py`, a few seconds.

The question: is a person employed, judged by age, schooling, family, origin and disabilities? The data is described in README.md.
Everything up to the last call is ordinary scikit-learn; the last call is all that mlsandbox asks for.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import mlsandbox

HERE = Path(__file__).resolve().parent
TARGET = "employed"
NOT_FEATURES = ["id", "year", "prediction", "predicted_probability"]
"""Row number, survey year, and what somebody else's model said; none of it is known about a new person."""
ROWS = 20_000
SEED = 7


def load() -> tuple[pd.DataFrame, pd.Series]:
    """A sample of the 2015 census rows: features as they will be sent to the endpoint, and the label."""
    people = pd.read_parquet(HERE / "data" / "employment_MA_reference.parquet").sample(ROWS, random_state=SEED)
    return people.drop(columns=[*NOT_FEATURES, TARGET]), people[TARGET]


def build() -> Pipeline:
    """Category codes become numbers, age stays what it is, gradient boosting does the rest."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((codes, make_column_selector(dtype_include="category")), remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=150, learning_rate=0.1, early_stopping=False, random_state=SEED))


def main() -> None:
    """Train, measure on people that the model has not seen, save."""
    features, label = load()
    train, test, train_label, test_label = train_test_split(features, label, test_size=0.25, random_state=SEED, stratify=label)
    pipeline = build().fit(train, train_label)

    metrics = {
        "accuracy": round(float(accuracy_score(test_label, pipeline.predict(test))), 4),
        "roc_auc": round(float(roc_auc_score(test_label, pipeline.predict_proba(test)[:, 1])), 4),
    }
    print(
        f"trained on {len(train):,} people, measured on {len(test):,} others: accuracy {metrics['accuracy']}, ROC AUC {metrics['roc_auc']}"
    )

    folder = mlsandbox.save(pipeline, "employment", reference=train, target=train_label, metrics=metrics, path=HERE)
    print(f"saved to {folder.relative_to(HERE.parent.parent)}")


if __name__ == "__main__":
    main()
