"""Digests of files, folders and values, and of packages."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.packaging.digest import FileDigests, json_digest
from mlsandbox.packaging.inspect import ModelFile
from mlsandbox.packaging.lock import Lock, Moved
from mlsandbox.packaging.manifest import Ingredients, captured_facts, package_files
from mlsandbox.setting_kinds import ModelSource
from mlsandbox.settings import ModelConfig
from mlsandbox_serving.contract import PackageFile

CAPTURE: dict[str, Any] = {
    "schema_version": 1,
    "load": {"kind": "sklearn", "entry": "elsewhere.joblib", "class": "sklearn.svm.SVC", "input_names": []},
    "files": [{"path": "model.joblib", "sha256": "aa", "size": 3}],
    "schema": {"columns": []},
    "golden": {"columns": {"a": [1.0]}, "predictions": [1]},
    "example": {"a": 1.0},
    "python": "3.11.7",
    "platform": "Linux",
    "libraries": {"numpy": "2.4.6"},
    "roots": ["numpy"],
    "unlockable": [],
    "parameters": {"C": 1.0},
    "metrics": {"accuracy": 0.9},
    "git": {"commit": "abc", "dirty": False},
    "created": "2026-11-24T12:00:00Z",
}


def ingredients(folder: Path, **more: Any) -> Ingredients:
    folder.mkdir(exist_ok=True)
    (folder / "model.joblib").write_bytes(b"abc")
    model = ModelConfig(name="churn", source=ModelSource(folder / "model.joblib"), private=("email",), **more)
    lock = Lock(
        "# a header\nnumpy==2.4.6 \\\n    --hash=sha256:00\n", "sha256:1", "3.11", "", "environment from …", (Moved("a", "1", "2"),)
    )
    return Ingredients(
        model, (ModelFile("model.joblib", "aa", 3),), "sha256:0123456789abcdef", lock, "sha256:2", (), captured_facts(CAPTURE), "bb"
    )


def test_hashed_once(tmp_path: Path) -> None:
    """A file must be hashed anew only when it changed, also in the next process; a broken memory must only cost time."""
    memory, file = tmp_path / "cache/hashes.json", tmp_path / "a"
    file.write_text("one")
    digests = FileDigests(memory)
    first = digests.sha256(file)
    digests.save()
    known = json.loads(memory.read_text())
    known[str(file)][-1] = "remembered"
    memory.write_text(json.dumps(known))
    assert FileDigests(memory).sha256(file) == "remembered"
    file.write_text("two!")
    assert FileDigests(memory).sha256(file) not in {first, "remembered"}
    memory.write_text("[broken")
    file.write_text("one")
    assert FileDigests(memory).sha256(file) == first


def test_same_size_and_time(tmp_path: Path) -> None:
    """A file that was replaced by another of the same size and time must be seen as another."""
    file = tmp_path / "a"
    file.write_text("one")
    digests = FileDigests(tmp_path / "memory")
    before, stat = digests.sha256(file), file.stat()
    other = tmp_path / "b"
    other.write_text("two")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert digests.sha256(file) != before


def test_tree(tmp_path: Path) -> None:
    """A folder's digest must be that of names and contents: of no path outside, no bytecode, no order."""
    for name in ("x", "y"):
        folder = tmp_path / name
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__/a.pyc").write_text(name)
        (folder / "sub").mkdir()
        (folder / "sub/a.py").write_text("a")
    digests = FileDigests(tmp_path / "memory")
    assert digests.tree([tmp_path / "x"]) == digests.tree([tmp_path / "y"])
    assert [file.path for file in digests.files(tmp_path / "x")] == ["sub/a.py"]
    (tmp_path / "y/sub/b.py").touch()
    assert digests.tree([tmp_path / "x"]) != digests.tree([tmp_path / "y"])


def test_json_digest() -> None:
    """Equal values must have equal digests, whatever the order of their keys."""
    assert json_digest({"a": 1.0, "b": ["ü"]}) == json_digest({"b": ["ü"], "a": 1.0})
    assert json_digest({"a": 1}) != json_digest({"a": "1"})


def test_package_digest_is_reproducible(tmp_path: Path) -> None:
    """The same model captured elsewhere and at another time must give the same digest, whatever its version is called."""
    later = {**CAPTURE, "created": "2027-01-01T00:00:00Z", "platform": "Darwin", "git": {"commit": "def", "dirty": True}}
    first, _ = package_files(ingredients(tmp_path / "a"), CAPTURE, version="v1", profile=None)
    second, _ = package_files(ingredients(tmp_path / "b"), later, version="v9", profile=None)
    assert first == second
    assert captured_facts(CAPTURE) == captured_facts(later)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": {"columns": [1]}},
        {"golden": {"columns": {"a": [1.0]}, "predictions": [2]}},
        {"parameters": {"C": 2.0}},
        {"metrics": {"accuracy": 0.8}},
        {"example": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_package_digest_sees_what_matters(tmp_path: Path, change: dict[str, Any]) -> None:
    """Another schema, golden row, parameter or metric must be another package."""
    parts = ingredients(tmp_path / "a")
    assert (
        package_files(parts, CAPTURE, version="v1", profile=None)[0]
        != package_files(parts, {**CAPTURE, **change}, version="v1", profile=None)[0]
    )


def test_inputs_digest_sees_settings(tmp_path: Path) -> None:
    """Settings that change answers or events must make a new version; those of the endpoint must not."""
    parts = ingredients(tmp_path / "a")
    before = parts.digest
    other = "predict" if parts.model.output != "predict" else "predict_proba"
    assert before != replace(parts, model=replace(parts.model, output=other)).digest
    assert before != replace(parts, model=replace(parts.model, hashed=("id",))).digest
    serving = replace(parts.model.serving, workers=4)
    assert before == replace(parts, model=replace(parts.model, serving=serving)).digest
    hashed = replace(parts, model=replace(parts.model, hashed=("id",)))
    assert parts.capture_digest == hashed.capture_digest != replace(parts, served_code="sha256:3").capture_digest


def test_package_files(tmp_path: Path) -> None:
    """A package must hold manifest, schema, golden rows and the bare lock, each listed with its hash."""
    digest, texts = package_files(ingredients(tmp_path / "a"), CAPTURE, version="v3", profile=None)
    manifest = json.loads(texts[PackageFile.MANIFEST])
    assert texts[PackageFile.LOCK] == "numpy==2.4.6 \\\n    --hash=sha256:00\n"
    assert set(manifest["texts"]) == set(texts) - {PackageFile.MANIFEST}
    assert manifest["digest"] == digest
    assert manifest["version"] == "v3"
    assert manifest["model_tag"] == "churn:0123456789ab"
    assert manifest["load"]["entry"] == "model.joblib"
    assert manifest["moved"] == [{"name": "a", "captured": "1", "locked": "2"}]
    assert not {"schema", "golden"} & manifest.keys()
    without = package_files(ingredients(tmp_path / "a"), {**CAPTURE, "golden": None}, version="v3", profile=None)[1]
    assert PackageFile.GOLDEN not in without


def test_labels_alone_are_promised_where_only_they_are_answered(tmp_path: Path) -> None:
    """With `output = "predict"` neither schema nor golden rows of a package may have probabilities; otherwise they stay as captured."""
    golden = {"columns": {"a": [1.0]}, "predictions": [1], "probabilities": [[0.1, 0.9]]}
    capture = {**CAPTURE, "schema": {"columns": [], "output": {"type": "class", "probabilities": True}}, "golden": golden}
    for output, kept in (("predict", None), ("predict_proba", golden["probabilities"])):
        texts = package_files(ingredients(tmp_path, output=output), capture, version="v1", profile=None)[1]
        assert json.loads(texts[PackageFile.GOLDEN])["probabilities"] == kept
        assert json.loads(texts[PackageFile.SCHEMA])["output"]["probabilities"] is (kept is not None)
