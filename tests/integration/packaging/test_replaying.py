"""A package's own answers, again: its model really loaded by its own program in its own environment, without a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.actions.replaying import Request, answers_of
from mlsandbox.errors import PackageTampered, ReplayUnable
from mlsandbox.packaging import package as packages
from mlsandbox.packaging.store import Package
from mlsandbox_serving.contract import ErrorCode, NotReady, PackageFile


def _golden(package: Package) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = json.loads((package.source / PackageFile.GOLDEN).read_text())["columns"]
    return columns


def test_a_package_answers_as_where_it_was_captured(packaged: Package) -> None:
    """Golden rows must get their golden answers, one after the other, rows that the model does not take a refusal, and nothing be left."""
    golden = json.loads((packaged.source / PackageFile.GOLDEN).read_text())
    before = set(packaged.store.rglob("*"))
    taken: list[int] = []

    def requests() -> Iterator[Request]:
        for number in range(20):
            taken.append(number)
            yield Request(number, golden["columns"])
        yield Request("no", {"age": ["old"], "income": [1.0]})
        yield Request("part", {name: values[:1] for name, values in golden["columns"].items()})

    answers = answers_of(packaged, requests(), report=print)

    first = next(answers)
    assert taken == [0]
    assert (first.id, first.predictions, first.error) == (0, golden["predictions"], None)
    assert first.seconds > 0
    assert first.tolerance == {"predictions": None, "probabilities": {"rtol": 1e-9, "atol": 1e-12}}
    *_, refused, last = list(answers)
    assert refused.error is not None
    assert refused.error["code"] == ErrorCode.SCHEMA_MISMATCH
    assert last.predictions == golden["predictions"][:1]
    assert set(packaged.store.rglob("*")) == before


def test_a_changed_package_is_not_asked(packaged: Package) -> None:
    """Of a package that is not what was packaged nothing may be run."""
    with (packaged.model_folder / "model.joblib").open("ab") as model:
        model.write(b"\0")

    with pytest.raises(PackageTampered, match=r"model\.joblib"):
        next(answers_of(packaged, [Request(0, _golden(packaged))], report=print))


def test_a_model_that_cannot_be_served_says_why(packaged: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not what it was where it was captured must give the reason that its service would give."""
    monkeypatch.setattr("mlsandbox.actions.replaying.verify_package", lambda _: None)
    golden = json.loads((packaged.source / PackageFile.GOLDEN).read_text())
    golden["predictions"] = [1 - answer for answer in golden["predictions"]]
    (packaged.source / PackageFile.GOLDEN).write_text(json.dumps(golden))

    with pytest.raises(ReplayUnable, match="golden rows differ") as caught:
        next(answers_of(packaged, [Request(0, golden["columns"])], report=print))

    assert caught.value.details["code"] == NotReady.GOLDEN_MISMATCH


def test_a_package_of_before_says_so(packaged: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose own code has no such program must be told as what it is."""
    monkeypatch.setattr("mlsandbox.actions.replaying.verify_package", lambda _: None)
    (packaged.source / "mlsandbox_serving" / "replay.py").unlink()

    with pytest.raises(ReplayUnable, match="earlier version of the tool"):
        next(answers_of(packaged, [Request(0, _golden(packaged))], report=print))


def test_an_environment_that_is_gone_is_built_again(packaged: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the environment in the cache the package must be asked in one that is built from its lock."""
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path / "cache"))
    moved = packages.read_package(packaged.bento_path)
    assert not moved.python.exists()

    answers = list(answers_of(moved, [Request(0, _golden(packaged))], report=print))

    assert answers[0].error is None
    assert moved.python.exists()
