"""A service asked by clients of the Open Inference Protocol that are not ours: Triton's, and MLServer's codecs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlsandbox_serving.contract import Field
from support.bento import Service, build, serve
from support.inference_clients import MLSERVER_RUNS, client_python, seen
from support.sandbox import ROOT
from support.served import fitted, lay, people

ROWS = people().head(100)
WHOLE = ROWS[ROWS["hours"].notna()]  # JSON has no NaN, and Triton's client writes it all the same
MATRIX = np.random.default_rng(5).normal(size=(200, 3))
HEIGHTS = LinearRegression().fit(MATRIX, MATRIX @ [1.0, 2.0, 3.0] + 0.1)
DATATYPES = {"age": "INT64", "sex": "BYTES", "hours": "FP64", "email": "BYTES"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def python() -> Path:
    """The clients' interpreter."""
    return client_python()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the classifier of people."""
    folder = tmp_path_factory.mktemp("classifier")
    frame = people()
    laid = lay(folder / "laid", fitted(frame), frame, manifest={"private": ["email"]})
    with serve(build(laid, folder), folder / "run") as service:
        service.wait()
        yield service


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of a model that takes an array."""
    folder = tmp_path_factory.mktemp("regressor")
    laid = lay(folder / "laid", HEIGHTS, MATRIX)  # type: ignore[arg-type]  # reference data may be an array
    with serve(build(laid, folder), folder / "run") as service:
        service.wait()
        yield service


def tensors(frame: pd.DataFrame) -> Json:
    return {
        name: {"datatype": datatype, "shape": [len(frame), 1], "data": frame[name].astype(object).tolist()}
        for name, datatype in DATATYPES.items()
    }


@pytest.fixture(scope="module")
def triton(classifier: Service, python: Path) -> Json:
    """What Triton's client saw of the classifier."""
    asked = {"model": "toy", "version": "v1", "inputs": tensors(WHOLE), "outputs": ["predict", "predict_proba"]}
    return seen(python, "triton_client", {"url": f"127.0.0.1:{classifier.port}", **asked})


def test_tritons_client_gets_the_models_own_answers(triton: Json) -> None:
    """In each combination of JSON and bytes, and asynchronously, Triton's client must get the model's own labels and probabilities."""
    model = fitted(people())
    expected = {"predict": model.predict(WHOLE).tolist(), "predict_proba": model.predict_proba(WHOLE).ravel().tolist()}
    shapes = {"predict": [len(WHOLE)], "predict_proba": [len(WHOLE), 2]}

    assert triton["answers"] == {form: {"values": expected, "shapes": shapes} for form in triton["answers"]}
    assert len(triton["answers"]) == 6


def test_tritons_client_finds_server_and_model(triton: Json) -> None:
    """Triton's client must find health, readiness, extensions and the signature, and no model that is not there."""
    assert (triton["live"], triton["ready"], triton["model ready"], triton["other ready"]) == (True, True, True, False)
    assert triton["server"]["extensions"] == ["binary_tensor_data"]
    assert {one["name"]: one["datatype"] for one in triton["metadata"]["inputs"]} == DATATYPES
    assert triton["id"] == "42"


@pytest.mark.parametrize(
    ("case", "status", "text"),
    [
        ("other model", "404", "no such model; there is toy"),
        ("other version", "404", "no such version; there is v1 of toy"),
        ("other column", "422", "column 'nothing': unknown column"),
        ("other output", "400", "outputs[0]: there is no such output; there is predict and predict_proba"),
        ("compressed", "415", "the body must not be compressed"),
        ("other route", "404", "no such route"),
    ],
)
def test_tritons_client_shows_our_errors(triton: Json, case: str, status: str, text: str) -> None:
    """Triton's client must raise its own exception with our status and text, and not fail on the form of the answer."""
    failure = triton["failures"][case]

    assert failure["status"] == status
    assert text in failure["message"]


def test_missing_values_come_through_as_nan(classifier: Service, python: Path) -> None:
    """NaN sent as bytes must be a missing value, in the event too, where the private column is not; as JSON, which has none, be refused."""
    gap = ROWS[ROWS["hours"].isna()].head(1)
    asked = {"model": "toy", "version": "v1", "inputs": tensors(gap), "outputs": ["predict"]}

    found = seen(python, "triton_client", {"url": f"127.0.0.1:{classifier.port}", **asked})

    assert found["answers"]["bytes"]["values"]["predict"] == fitted(people()).predict(gap).tolist()
    assert "null stands for NaN" in found["answers"]["JSON"]["message"]
    (event,) = [event for event in classifier.events() if event.get(Field.INPUTS, {}).get("hours") == [None]][:1]
    assert event[Field.INPUTS] == {"age": gap["age"].tolist(), "sex": gap["sex"].tolist(), "hours": [None]}


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_tritons_client_sends_a_whole_array(regressor: Service, python: Path, datatype: str) -> None:
    """One tensor with all columns must give what the model says to the same array, to the bit."""
    rows = MATRIX[:50].astype(np.float32) if datatype == "FP32" else MATRIX[:50]
    inputs = {"input-0": {"datatype": datatype, "shape": [50, 3], "data": rows.astype(float).ravel().tolist()}}
    asked = {"model": "toy", "version": "v1", "inputs": inputs, "outputs": ["predict"]}

    answers = seen(python, "triton_client", {"url": f"127.0.0.1:{regressor.port}", **asked})["answers"]

    expected = HEIGHTS.predict(rows.astype(np.float64)).tolist()
    assert {form: answer["values"]["predict"] == expected for form, answer in answers.items()} == dict.fromkeys(answers, True)


mlserver = pytest.mark.skipif(not MLSERVER_RUNS, reason="MLServer is made for no Python newer than 3.12")


@mlserver
def test_mlservers_codecs_write_a_frame(classifier: Service, python: Path) -> None:
    """A frame, with missing values, that MLServer's codec wrote must be answered with labels and probabilities that its codecs read."""
    columns = {name: ROWS[name].astype(object).where(ROWS[name].notna(), None).tolist() for name in ROWS}

    found = seen(python, "mlserver_codecs", {"url": f"http://127.0.0.1:{classifier.port}", "model": "toy", "columns": columns})

    model = fitted(people())
    labels = model.predict(ROWS).tolist()
    assert found["outputs"] == {"predict": labels, "predict_proba": model.predict_proba(ROWS).tolist()}
    assert found["chosen"] == {"id": "42", "version": "v1", "predict": labels}
    assert found["failure"]["status"] == 422
    assert "column 'age': missing, expected an integer" in found["failure"]["message"]
    assert [one["shape"] for one in found["metadata"]["inputs"]] == [[-1, 1]] * 4


@mlserver
def test_mlservers_codecs_write_an_array(regressor: Service, python: Path) -> None:
    """An array that MLServer's codec wrote must be answered with the model's own numbers."""
    asked = {"url": f"http://127.0.0.1:{regressor.port}", "model": "toy", "matrix": MATRIX[:50].tolist()}

    found = seen(python, "mlserver_codecs", asked)

    assert found["outputs"]["predict"] == HEIGHTS.predict(MATRIX[:50]).tolist()


def test_what_is_imported_before_the_model_is_loaded_is_small() -> None:
    """The routes of the protocol must be known without numpy, which the service imports only with its model."""
    code = "import sys, mlsandbox_serving.service.oip; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "services", check=False).returncode == 0
