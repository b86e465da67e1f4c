"""Removing packages, and the numbers of those that come after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.ledger import Action, Draft, Ledger
from mlsandbox.packaging.package import list_packages, next_version, store_path, version_names
from mlsandbox.packaging.removal import removable, taken_out
from support.bentos import stored_package


def test_shared_model_files_go_with_the_last_package_that_needs_them(tmp_path: Path) -> None:
    """The model's files must stay while a package that stays needs them, and be counted once when all that need them go."""
    first, second, third = (
        stored_package(tmp_path, "churn", version, weights=weights, size=1000)
        for version, weights in (("v1", "same"), ("v2", "same"), ("v3", "other"))
    )

    assert [len(each.folders) for each in removable(tmp_path, [first, third])] == [1, 2]
    both = removable(tmp_path, [first, second])
    assert [len(each.folders) for each in both] == [2, 1]
    assert 1000 <= both[0].size_bytes < 2000
    assert both[1].size_bytes < 1000


def test_a_model_of_the_same_files_in_another_model_is_another_one(tmp_path: Path) -> None:
    """What one model's package needs must not be kept for another model's."""
    churn = stored_package(tmp_path, "churn", "v1", weights="same")
    stored_package(tmp_path, "price", "v1", weights="same")

    assert len(removable(tmp_path, [churn])[0].folders) == 2


def test_a_package_that_is_removed_is_gone_whole(tmp_path: Path) -> None:
    """Bento and model files must be gone, others left, and no note of BentoML may name what is gone."""
    old, new = (stored_package(tmp_path, "churn", version) for version in ("v1", "v2"))

    with taken_out(tmp_path, removable(tmp_path, [new])[0].folders):
        assert [each.version for each in list_packages(tmp_path, "churn")] == ["v1"]

    assert old.bento_path.is_dir()
    assert old.model_folder.is_dir()
    assert not new.bento_path.exists()
    assert not new.model_folder.exists()
    assert not (store_path(tmp_path) / "bentos" / "churn" / "latest").exists()
    assert list((tmp_path / ".sandbox" / "tmp").iterdir()) == []


def test_what_cannot_be_recorded_is_not_removed(tmp_path: Path) -> None:
    """When the body fails, as the ledger may, all folders must be back where they were."""
    package = stored_package(tmp_path, "churn", "v1")
    folders = removable(tmp_path, [package])[0].folders

    with pytest.raises(OSError, match="disk full"), taken_out(tmp_path, folders):
        raise OSError("disk full")

    assert [each.version for each in list_packages(tmp_path, "churn")] == ["v1"]
    assert (package.model_folder / "model.joblib").is_file()
    assert (store_path(tmp_path) / "bentos" / "churn" / "latest").read_text() == "v1"


def test_no_number_is_used_twice(tmp_path: Path) -> None:
    """The next version must come after all that are there, and after all that the ledger knows of this model."""
    assert next_version(tmp_path, "churn") == "v1"
    stored_package(tmp_path, "churn", "v2")
    assert next_version(tmp_path, "churn") == "v3"
    ledger = Ledger(tmp_path / ".sandbox")
    ledger.append([Draft(Action.PACKAGED, "churn", "v4", "sha256:4"), Draft(Action.PACKAGED, "price", "v9", "sha256:9")])
    ledger.append([Draft(Action.REMOVED, "churn", "v4", "sha256:4")])
    assert next_version(tmp_path, "churn") == "v5"
    assert next_version(tmp_path, "price") == "v10"


def test_versions_that_a_shell_completes(tmp_path: Path) -> None:
    """Completion must offer each version once, in the order of their numbers, and nothing where nothing was packaged."""
    assert version_names(tmp_path) == []
    for model, version in (("churn", "v10"), ("churn", "v2"), ("price", "v2")):
        stored_package(tmp_path, model, version)
    assert version_names(tmp_path) == ["v2", "v10"]
