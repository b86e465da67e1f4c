"""Whoever fills a volume with a package judges its files as the host tool does, which made it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlsandbox.errors import PackageTampered
from mlsandbox.packaging.store import Package, verify_package
from mlsandbox_serving.deliver import fill, verify
from mlsandbox_serving.deliver_digests import changed_files


def in_image(package: Package, folder: Path) -> Path:
    """The bento as BentoML lays it out in an image: with the model inside."""
    bento = Path(shutil.copytree(package.bento_path, folder / "bento"))
    shutil.copytree(package.model_folder, bento / "models" / package.model_folder.relative_to(package.store / "models"))
    return bento


def test_a_package_is_delivered_as_it_is(packaged: Package, tmp_path: Path) -> None:
    """A package that the host tool finds whole must be found whole in its image, and get onto a volume."""
    verify_package(packaged)
    bento = in_image(packaged, tmp_path)

    assert changed_files(bento) == []
    assert fill(bento, tmp_path / "volume") is True
    assert verify(bento, tmp_path / "volume") > 50


@pytest.mark.parametrize(
    "change",
    [
        "src/service.py",
        "src/package/golden.json",
        "src/package/lock.txt",
        "src/package/profile/rows.npz",
        "src/mlsandbox_serving/service/app.py",
        "src/mlsandbox_serving/more.py",
        "src/more.py",
        "src/package/code/more.py",
    ],
)
def test_both_find_the_same_changes(packaged: Package, tmp_path: Path, change: str) -> None:
    """What the host tool calls tampered with must be called so in the image, by the same name."""
    (packaged.bento_path / change).parent.mkdir(exist_ok=True)
    with (packaged.bento_path / change).open("ab") as file:
        file.write(b"# more")

    with pytest.raises(PackageTampered) as told:
        verify_package(packaged)
    assert told.value.details["files"] == [path.removeprefix("src/") for path in changed_files(in_image(packaged, tmp_path))]
