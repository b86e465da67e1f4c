"""The reference profile of a package: made with it, of its reference rows, and again when these change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import mlsandbox
from mlsandbox.actions.reference_warnings import reference_warnings
from mlsandbox.errors import PackagingFailed
from mlsandbox.packaging.profile import ProfileRequest, make_profile, packaged_profile
from mlsandbox.packaging.store import Package, package_model, verify_package
from mlsandbox.project import load_project
from mlsandbox_serving.contract import PackageFile
from support.packages import MODEL, add_setting


def _packaged(root: Path) -> tuple[Package, list[str]]:
    told: list[str] = []
    (model,) = load_project(root).models.values()
    return package_model(model, root=root, report=told.append), told


def _reference(package: Package) -> Path:
    return package.store.parents[1] / MODEL / "reference.csv"


def test_a_package_tells_of_its_reference(packaged: Package) -> None:
    """Its rows, labels and columns must be in the package's own description, and be no part of what decides about answers."""
    profile = packaged.manifest["profile"]

    assert (profile["rows"], profile["columns"], profile["labels"]) == (200, 2, True)
    assert set(profile["files"]) == {f"{PackageFile.PROFILE}/{name}" for name in ("profile.json", "profile.npz", "rows.npz")}


def test_changed_reference_rows_make_a_new_version(packaged: Package) -> None:
    """Other reference rows must be another version, whose profile is made of them."""
    reference = _reference(packaged)
    reference.write_text("\n".join(reference.read_text().splitlines()[:151]) + "\n")

    package, told = _packaged(packaged.store.parents[1])

    assert (package.version, package.created) == ("v2", True)
    assert package.manifest["profile"]["rows"] == 150
    assert "reference of 150 rows: 2 columns" in told
    verify_package(package)


def test_the_same_reference_gives_the_same_profile(packaged: Package, project: Path) -> None:
    """A project packaged elsewhere must have the files of the first one, byte for byte."""
    package, _ = _packaged(project)

    assert package.profile_files == packaged.profile_files


def test_without_a_reference_there_is_no_profile(packaged: Package) -> None:
    """A model that nobody handed reference rows over with must be packaged without a profile."""
    root = packaged.store.parents[1]
    settings = root / "sandbox.toml"
    settings.write_text(
        "\n".join(line for line in settings.read_text().splitlines() if not line.startswith(("reference", "target"))) + "\n"
    )

    package, _ = _packaged(root)

    assert package.manifest["profile"] is None
    assert package.profile_files == {}
    verify_package(package)


def test_rows_that_the_model_does_not_take_are_told(tmp_path: Path) -> None:
    """A model whose reference cannot be predicted must be packaged all the same, and `up` must warn of it and say why."""
    frame = pd.DataFrame(np.random.default_rng(1).random((60, 2)), columns=["a", "b"])
    mlsandbox.save(LogisticRegression().fit(frame, frame["a"] > frame["b"]), "churn", reference=frame, path=tmp_path)
    frame.rename(columns={"b": "c"}).to_parquet(tmp_path / "churn/reference.parquet")

    package, _ = _packaged(tmp_path)

    assert package.manifest["profile"]["files"] == {}
    assert "reference.parquet has no column 'b'" in package.manifest["profile"]["problem"]
    (warning,) = reference_warnings(load_project(tmp_path), [package])
    assert "reference.parquet has no column 'b'" in warning
    verify_package(package)


def test_a_handful_of_rows_is_no_reference(packaged: Package) -> None:
    """Rows of which any other one would be out of range must make no profile, and how many it takes must be kept."""
    reference = _reference(packaged)
    reference.write_text("\n".join(reference.read_text().splitlines()[:50]) + "\n")

    package, _ = _packaged(packaged.store.parents[1])

    problem = "it has 49 rows that the model takes, and needs 50; 5,000 are better"
    assert package.manifest["profile"] == {"files": {}, "problem": problem}
    verify_package(package)


def test_a_broken_program_is_an_error(packaged: Package, tmp_path: Path) -> None:
    """A program that ends without an answer must not be taken for reference rows that cannot be used."""
    request = ProfileRequest({}, {}, tmp_path, None, (), (), tmp_path / "out", reference=_reference(packaged))

    with pytest.raises(PackagingFailed, match="could not be made") as failed:
        make_profile(request, name="churn", interpreter=packaged.python, served=packaged.source)
    assert "SchemaInvalid" in failed.value.why


def test_a_program_without_memory_is_no_error(packaged: Package, tmp_path: Path) -> None:
    """A model whose profile program is killed must be packaged without a profile, and with what is told of that."""
    killed = tmp_path / "python"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    request = ProfileRequest({}, {}, tmp_path, None, (), (), tmp_path / "out", reference=_reference(packaged))

    profile = packaged_profile(request, name="churn", interpreter=killed, served=packaged.source, report=lambda _: None)

    why = "making the reference profile of churn was ended by signal 9: Most often this machine had no memory left for it."
    assert profile == {"files": {}, "problem": why}


def test_hashed_columns_are_told_of(packaged: Package) -> None:
    """The line about a reference must name the columns that are left out, and why."""
    root = packaged.store.parents[1]
    add_setting(root, 'hashed = ["age"]')

    _, told = _packaged(root)

    assert "reference of 200 rows: 1 column, left out: age (hashed)" in told
