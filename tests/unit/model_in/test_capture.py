"""What capture makes of a model and its reference data: a schema that rebuilds the input, golden rows, clear refusals."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlsandbox_serving.capture import CaptureError, capture
from mlsandbox_serving.golden import replay
from mlsandbox_serving.models import wrap
from mlsandbox_serving.schema import Schema

ROWS = 200
RNG = np.random.RandomState(0)


class Echo:
    """A model that answers the number of columns, for any frame."""

    def predict(self, frame: Any) -> Any:
        return np.full(len(frame), float(frame.shape[1]))


def everything() -> pd.DataFrame:
    """A frame with a column of each kind that is served."""
    frame = pd.DataFrame(
        {
            "float": RNG.rand(ROWS),
            "single": RNG.rand(ROWS).astype("float32"),
            "gaps": np.where(np.arange(ROWS) == 77, np.nan, RNG.rand(ROWS)),
            "int": RNG.randint(-5, 5, ROWS),
            "byte": np.arange(ROWS).astype("uint8"),
            "bool": np.arange(ROWS) % 2 == 0,
            "text": pd.Series(["007", "x", "ü"] * 66 + ["x", "y"]).astype(object),
            "none": pd.Series([None if index == 5 else "a" for index in range(ROWS)], dtype=object),
            "Int": pd.array([None if index == 9 else index for index in range(ROWS)], dtype="Int64"),
            "Bool": pd.array([None if index == 9 else True for index in range(ROWS)], dtype="boolean"),
            "string": pd.array(["a"] * (ROWS - 1) + [None], dtype="string"),
            "category": pd.Categorical(["lo", "hi"] * (ROWS // 2), categories=["lo", "mid", "hi"], ordered=True),
            "numbers": pd.Categorical([1, 2] * (ROWS // 2)),
            "day": pd.date_range("2024-01-01", periods=ROWS),
            "zoned": pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Berlin"),
        }
    )
    frame.loc[13, "category"] = np.nan
    return frame


def refused(model: object, **keywords: Any) -> CaptureError:
    """The error of a capture that must fail."""
    with pytest.raises(CaptureError) as refusal:
        capture(model, **keywords)
    assert refusal.value.fix
    return refusal.value


def test_the_schema_rebuilds_the_input_exactly() -> None:
    """Golden rows, sent through JSON, must become the very frame that the model was given: values, dtypes, categories."""
    frame = everything()
    captured = json.loads(json.dumps(capture(Echo(), reference=frame), allow_nan=False))
    schema = Schema.from_json(captured["schema"])

    rebuilt = schema.to_input(schema.check_columns(captured["golden"]["columns"]))

    assert list(rebuilt.dtypes.astype(str)) == list(frame.dtypes.astype(str))
    positions = [int(np.flatnonzero(frame["float"] == value)[0]) for value in captured["golden"]["columns"]["float"]]
    pd.testing.assert_frame_equal(rebuilt, frame.iloc[positions].reset_index(drop=True))


def test_golden_rows_exercise_gaps_extremes_and_categories() -> None:
    """Rows with missing values, minima, maxima and each category must be among 50 to 60 golden rows, the same in each run."""
    frame = everything()
    golden = capture(Echo(), reference=frame)["golden"]["columns"]

    assert golden == capture(Echo(), reference=frame)["golden"]["columns"]
    assert 50 <= len(golden["float"]) <= 60
    for name in ("gaps", "none", "Int", "Bool", "string", "category"):
        assert None in golden[name], name
    assert set(golden["text"]) == {"007", "x", "ü", "y"}
    assert {min(frame["float"]), max(frame["float"])} <= set(golden["float"])


def test_the_schema_says_what_was_seen() -> None:
    """Nullability, ranges and ordered categories must be those of the data."""
    columns = {column["name"]: column for column in capture(Echo(), reference=everything())["schema"]["columns"]}

    assert {name for name, column in columns.items() if column["nullable"]} == {"gaps", "none", "Int", "Bool", "string", "category"}
    assert columns["none"]["missing"] == "none"
    assert columns["category"]["categories"] == ["lo", "mid", "hi"]
    assert columns["category"]["ordered"] is True
    assert (columns["byte"]["minimum"], columns["byte"]["maximum"]) == (0, 199)
    assert columns["day"]["minimum"] == "2024-01-01T00:00:00"
    assert columns["text"]["type"] == "string"


@pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [False, True], [1.0, 2.0]])
def test_a_classifier_replays(labels: list[Any]) -> None:
    """Predictions and probabilities must be captured so that the golden rows are reproduced bit by bit."""
    data = RNG.rand(ROWS, 3)
    target = np.array(labels)[(data[:, 0] > 0.5).astype(int)]
    model = DecisionTreeClassifier(max_depth=3).fit(data, target)

    captured = capture(model, reference=data, target=target)
    outcome = replay(wrap(model)[0], Schema.from_json(captured["schema"]), captured["golden"])

    assert outcome.bit_equal == outcome.rows == len(captured["golden"]["predictions"])
    assert captured["schema"]["output"] == {"type": "class", "classes": labels, "probabilities": True}
    assert [column["name"] for column in captured["schema"]["columns"]] == ["x0", "x1", "x2"]
    assert captured["schema"]["array_dtype"] == "float64"
    assert captured["target"] == "target"


def test_a_regression_and_several_outputs() -> None:
    """One number per row is "number", several are "array"."""
    data = RNG.rand(ROWS, 2)

    one = capture(LinearRegression().fit(data, data[:, 0]), reference=data)
    several = capture(DecisionTreeRegressor(max_depth=2).fit(data, data), reference=data)

    assert one["schema"]["output"]["type"] == "number"
    assert several["schema"]["output"]["type"] == "array"
    assert len(several["golden"]["predictions"][0]) == 2


def test_the_target_column_is_no_input() -> None:
    """A label column in the reference data must be dropped, by name or because the labels carry that name."""
    frame = pd.DataFrame({"a": RNG.rand(ROWS), "churned": np.arange(ROWS) % 2})
    model = LogisticRegression().fit(frame[["a"]], frame["churned"])

    by_name = capture(model, reference=frame, target="churned")
    by_labels = capture(model, reference=frame, target=frame["churned"])

    assert [column["name"] for column in by_name["schema"]["columns"]] == ["a"]
    assert by_name["data"] == by_labels["data"]
    assert by_name["target"] == "churned"


def test_columns_come_in_the_models_order() -> None:
    """Reference data in another order than the model's must be brought into the model's."""
    frame = pd.DataFrame({"a": RNG.rand(ROWS), "b": RNG.rand(ROWS)})
    model = LinearRegression().fit(frame, frame["a"])

    assert capture(model, reference=frame[["b", "a"]])["load"]["input_names"] == ["a", "b"]


def test_the_data_digest_is_of_the_content() -> None:
    """Equal data must have equal digests, whatever their index; a changed value another one."""
    frame = everything()
    changed = frame.copy()
    changed.loc[3, "text"] = "other"
    model = Echo()

    digest = capture(model, reference=frame)["data"]
    assert digest == capture(model, reference=frame.set_axis(range(5, ROWS + 5)))["data"]
    assert digest["digest"] != capture(model, reference=changed)["data"]["digest"]
    assert digest["rows"] == ROWS


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.array([1 + 2j] * 3), "complex"),
        ([[1], [2], [3]], "list"),
        (pd.to_timedelta([1, 2, 3]), "timedelta"),
        (pd.period_range("2024", periods=3, freq="D"), "period"),
        (pd.interval_range(0, 3), "interval"),
        ([decimal.Decimal(1)] * 3, "decimal"),
        ([dt.date(2024, 1, 1)] * 3, "date"),
        ([b"a"] * 3, "bytes"),
        (["a", 1, 2.5], "float, int, str"),
        (pd.arrays.SparseArray([0, 0, 1]), "Sparse"),
        (pd.Categorical(pd.to_datetime(["2024", "2025", "2024"])), "Timestamp"),
    ],
)
def test_columns_that_json_cannot_carry_are_named(values: Any, word: str) -> None:
    """A column of a type that cannot be sent must be named, with what to do."""
    error = refused(Echo(), reference=pd.DataFrame({"good": [1, 2, 3], "bad": values}))

    assert error.code == "COLUMN_UNSUPPORTED"
    assert "'bad'" in error.message
    assert word in error.why


def test_odd_column_names_are_named() -> None:
    """Names that are no texts, that occur twice or have levels must be refused with the remedy."""
    assert "column 0 " in refused(Echo(), reference=pd.DataFrame(np.eye(3))).message
    assert "'a' occurs more than once" in refused(Echo(), reference=pd.DataFrame(np.eye(2), columns=["a", "a"])).message
    levels = pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    assert refused(Echo(), reference=levels).code == "COLUMN_NAMES"


def test_references_that_are_no_table() -> None:
    """Series, texts, vectors and empty tables must be refused, each with its remedy."""
    assert "TfidfVectorizer" in refused(Echo(), reference=["a", "b"]).fix
    assert "reshape" in refused(Echo(), reference=np.arange(3.0)).fix
    assert refused(Echo(), reference=pd.DataFrame({"a": []})).code == "REFERENCE_EMPTY"
    assert refused(Echo(), reference=np.array([[1j]])).code == "REFERENCE_UNSUPPORTED"
    assert refused(Echo(), reference=object()).code == "REFERENCE_UNSUPPORTED"


def test_labels_that_do_not_fit() -> None:
    """A missing label column and labels of another length must be refused."""
    frame = pd.DataFrame({"a": [1.0, 2.0]})

    assert refused(Echo(), reference=frame, target="b").code == "TARGET_MISSING"
    assert refused(Echo(), reference=frame, target=[1, 2, 3]).code == "TARGET_LENGTH"
    assert refused(Echo(), target=[1, 2, 3]).code == "TARGET_MISSING"


def test_columns_that_the_model_does_not_know() -> None:
    """A column too many or too few must be named."""
    frame = pd.DataFrame({"a": RNG.rand(9), "b": RNG.rand(9)})
    model = LinearRegression().fit(frame, frame["a"])

    assert "'b'" in refused(model, reference=frame[["a"]]).message
    assert "'c'" in refused(model, reference=frame.assign(c=1)).message


def test_models_that_cannot_be_captured() -> None:
    """Not a model, failing on its own data, random, or without the probabilities that are asked for: each is said."""

    class Fails:
        def predict(self, frame: Any) -> Any:
            raise KeyError(len(frame))

    class Rolls:
        def predict(self, frame: Any) -> Any:
            return np.random.default_rng().random(len(frame))

    frame = pd.DataFrame({"a": RNG.rand(9)})

    assert refused(object(), reference=frame).code == "MODEL_UNSUPPORTED"
    assert "KeyError" in refused(Fails(), reference=frame).why
    assert refused(Rolls(), reference=frame).code == "NOT_REPRODUCIBLE"
    assert refused(Echo(), reference=frame, output="predict_proba").code == "NO_PROBABILITIES"


def test_infinities_are_not_golden() -> None:
    """Rows that JSON cannot say must be left out, and do not spoil the ranges."""
    frame = pd.DataFrame({"a": [1.0, np.inf, 3.0, -np.inf]})
    captured = capture(Echo(), reference=frame)

    assert captured["golden"]["columns"]["a"] == [1.0, 3.0]
    assert captured["schema"]["columns"][0]["maximum"] == 3.0


def test_without_reference_the_model_speaks_for_itself() -> None:
    """Names or the number of columns must come from the model; without either, data are asked for."""
    frame = pd.DataFrame({"a": RNG.rand(9), "b": RNG.rand(9)})
    named = capture(LinearRegression().fit(frame, frame["a"]))
    counted = capture(LogisticRegression().fit(frame.to_numpy(), np.arange(9) % 2))

    assert (named["golden"], named["example"], named["data"]) == (None, None, None)
    assert [column["name"] for column in named["schema"]["columns"]] == ["a", "b"]
    assert counted["schema"]["input"] == "array"
    assert counted["schema"]["output"] == {"type": "class", "classes": [0, 1], "probabilities": True}
    assert refused(Echo()).code == "REFERENCE_NEEDED"


def test_other_tables_are_converted() -> None:
    """Lists of rows, dicts of columns and whatever has to_pandas must be taken."""

    class Table:
        def to_pandas(self) -> pd.DataFrame:
            return pd.DataFrame({"a": [1.0, 2.0]})

    for reference in ([{"a": 1.0}, {"a": 2.0}], {"a": [1.0, 2.0]}, Table()):
        assert capture(Echo(), reference=reference)["golden"]["columns"] == {"a": [1.0, 2.0]}


def test_parameters_are_json_and_short() -> None:
    """Parameters of any kind must become short JSON values."""

    class Model(Echo):
        def get_params(self) -> dict[str, Any]:
            return {
                "a": np.float32(1),
                "b": float("nan"),
                "c": np.zeros(3),
                "d": "x" * 1000,
                "e": LinearRegression(),
                "f": (1, "a"),
                "g": dict,
                "h": None,
            }

    assert capture(Model(), reference=pd.DataFrame({"a": [1.0]}))["parameters"] == {
        "a": 1.0,
        "b": "nan",
        "c": "numpy.ndarray",
        "d": "x" * 200,
        "e": "sklearn.linear_model._base.LinearRegression",
        "f": [1, "a"],
        "g": "builtins.dict",
        "h": None,
    }
