"""What /docs.json says, held against a running service: by its own examples, and by schemathesis with all of its checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlsandbox_serving.contract import Env
from support.bento import Service, build, serve
from support.sandbox import ROOT
from support.served import Laid, fitted, lay, people

KEY = "0123456789abcdef0123456789abcdef"
EXAMPLES = "15"
"""Requests per operation and phase: a minute or two for each model."""
SEED = "20261127"
"""The same requests each time. With some seeds one text in a thousand is made without regard to its column's format, and called valid."""


@dataclass(frozen=True)
class Described:
    """A running service and rows that its model takes."""

    service: Service
    rows: Path
    headers: dict[str, str]


def mixed(folder: Path) -> Laid:
    """Every type of column, categories, missing values, and a class with probabilities."""
    days = pd.date_range("2020-01-01", periods=200, freq="D")
    frame = people().assign(since=days, seen=days.tz_localize("UTC"), member=np.arange(200) % 3 == 0)
    return lay(folder, fitted(frame), frame, manifest={"private": ["email"]})


def numbers(folder: Path) -> Laid:
    """Numbers alone, and one as answer."""
    frame = pd.DataFrame(np.random.default_rng(5).normal(size=(200, 6)), columns=[f"x{place}" for place in range(6)])
    return lay(folder, LinearRegression().fit(frame, 2 * frame["x0"]), frame)


@pytest.fixture(scope="module", params=["mixed, with keys", "numbers"])
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    folder = tmp_path_factory.mktemp("described")
    keyed = request.param.endswith("keys")
    laid = (mixed if keyed else numbers)(folder / "laid")
    columns = laid.golden()["columns"]
    rows = folder / "rows.json"
    rows.write_text(json.dumps([dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)][:20]))
    settings = {}
    if keyed:
        keys = folder / "keys"
        keys.write_text(f"{KEY}\n")
        settings[Env.API_KEYS_FILE] = str(keys)
    with serve(build(laid, folder / "built"), folder / "run", **settings) as service:
        service.wait()
        yield Described(service, rows, {"x-api-key": KEY} if keyed else {})


def test_each_example_of_the_documentation_is_answered(described: Described) -> None:
    """Whoever sends an example of /docs.json must get the answer that stands beside it."""
    port = described.service.port
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/docs.json", headers=described.headers)) as answer:
        document = json.load(answer)
    values = {"{model}": "toy", "{version}": "v1"}
    asked = 0
    for path, item in document["paths"].items():
        for name, value in values.items():
            path = path.replace(name, value)  # noqa: PLW2901 - as it is asked
        for kind, media in item.get("post", {}).get("requestBody", {}).get("content", {}).items():
            for example in media.get("examples", {}).values():
                content = example["value"]
                body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                sent = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {**described.headers, "content-type": kind})
                with urllib.request.urlopen(sent) as answer:  # noqa: S310 - as above
                    assert str(answer.status) in item["post"]["responses"]
                asked += 1

    assert asked == 6


def test_the_service_is_what_its_documentation_says(described: Described) -> None:
    """Thousands of requests made from /docs.json, right and wrong ones: what it allows must be taken, what it forbids refused, each answer
    be one that it describes, and none an error of the service.
    """
    phases = "coverage,fuzzing,stateful"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{described.service.port}/docs.json"]
    command += ["--checks", "all", "--phases", phases, "--max-examples", EXAMPLES, "--seed", SEED, "--continue-on-failure", "--no-color"]
    command += ["--warnings", "off", *(argument for header in described.headers.items() for argument in ("--header", ": ".join(header)))]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "support.openapi_hooks", "PYTHONPATH": str(ROOT / "tests")}

    run = subprocess.run(
        command,
        env={**environ, "OPENAPI_ROWS": str(described.rows)},
        cwd=described.rows.parent,
        capture_output=True,
        check=False,
        text=True,
    )

    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-5_000:]
    assert "Traceback" not in described.service.log.read_text()
