"""A package gets onto a volume whole or not at all, and what is there is never taken for it unless it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlsandbox_serving.contract import Deliver
from mlsandbox_serving.deliver import NotThere, Tampered, fill, main, verify
from mlsandbox_serving.deliver_digests import changed_files, expected_files
from support.bento_files import MODEL, lay_bento


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    """A bento as it lies in the image of a model."""
    return lay_bento(tmp_path / "image" / "bento")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder on the volume."""
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume" / "v3"


def test_all_of_a_package_gets_there_and_nothing_else(bento: Path, target: Path) -> None:
    assert fill(bento, target) is True

    assert _contents(target) == _contents(bento)
    assert os.listdir(target.parent) == ["v3"]  # noqa: PTH208 - nothing is left beside it
    assert verify(bento, target) == len(expected_files(bento))


def test_it_is_readable_by_every_user_whatever_the_umask_and_the_image_say(bento: Path, target: Path) -> None:
    (bento / MODEL / "model.joblib").chmod(0o600)
    before = os.umask(0o077)
    try:
        fill(bento, target)
    finally:
        os.umask(before)

    assert {path.stat().st_mode & 0o777 for path in (target, *target.rglob("*")) if path.is_dir()} == {0o755}
    assert (target / MODEL / "model.joblib").stat().st_mode & 0o777 == 0o644
    assert (target / "env/docker/entrypoint.sh").stat().st_mode & 0o777 == 0o755


def test_a_second_time_nothing_is_written(bento: Path, target: Path) -> None:
    fill(bento, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}

    assert fill(bento, target) is False
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_what_an_ended_try_left_is_used_and_what_is_half_there_is_not(bento: Path, target: Path) -> None:
    partial = target.with_name("v3.partial")
    _write(partial / MODEL / "model.joblib", "weights")
    _write(partial / "bento.yaml", "serv")
    _write(partial / "src/stray.py", "of an older package")
    _write(target.with_name("v3.part-other-7"), "half a file")
    whole = (partial / MODEL / "model.joblib").stat().st_ino

    fill(bento, target)

    assert _contents(target) == _contents(bento)
    assert (target / MODEL / "model.joblib").stat().st_ino == whole
    assert os.listdir(target.parent) == ["v3"]  # noqa: PTH208 - as above


def test_it_is_not_there_by_its_name_before_all_of_it_is(bento: Path, target: Path) -> None:
    broken = target.with_name("v3.partial") / "src/package"
    _write(broken, "a file where a folder has to be")

    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        fill(bento, target)

    assert not target.exists()
    broken.unlink()
    assert fill(bento, target) is True
    assert verify(bento, target) == len(expected_files(bento))


@pytest.mark.parametrize(
    "path",
    [
        f"{MODEL}/model.joblib",
        "src/package/code/own.py",
        "src/package/schema.json",
        "src/package/profile/profile.json",
        "src/mlsandbox_serving/app.py",
        "src/service.py",
    ],
)
def test_an_image_that_is_not_what_its_package_says_is_delivered_nowhere(bento: Path, target: Path, path: str) -> None:
    _write(bento / path, "other")

    with pytest.raises(Tampered, match=r"build and push the image again"):
        fill(bento, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("path", [f"{MODEL}/more.joblib", "src/numpy.py", "src/package/code/more.py"])
def test_a_file_more_in_the_image_is_told(bento: Path, path: str) -> None:
    _write(bento / path, "more")

    assert changed_files(bento) == [path]


def test_bytecode_is_no_part_of_a_package(bento: Path, target: Path) -> None:
    _write(bento / "src/__pycache__/service.cpython-311.pyc", "bytecode")

    fill(bento, target)

    assert not list(target.rglob("*.pyc"))


@pytest.mark.parametrize("path", [f"{MODEL}/model.joblib", "bento.yaml", "src/service.py", "src/package/package.json"])
def test_a_changed_file_on_the_volume_is_named_and_left_as_it_is(bento: Path, target: Path, path: str) -> None:
    fill(bento, target)
    _write(target / path, "tampered")

    for attempt in (fill, verify):
        with pytest.raises(Tampered, match=rf"v3 {path} is not what was packaged"):
            attempt(bento, target)
    assert (target / path).read_text() == "tampered"


@pytest.mark.parametrize("path", ["src/numpy.py", "src/__pycache__/service.cpython-311.pyc"])
def test_a_file_more_on_the_volume_is_refused_bytecode_too(bento: Path, target: Path, path: str) -> None:
    fill(bento, target)
    _write(target / path, "more")

    with pytest.raises(Tampered, match=path):
        verify(bento, target)


def test_a_missing_file_on_the_volume_is_told(bento: Path, target: Path) -> None:
    fill(bento, target)
    (target / MODEL / "model.joblib").unlink()

    with pytest.raises(Tampered, match=r"model\.joblib is not"):
        verify(bento, target)


def test_links_on_the_volume_are_refused_wherever_they_lead(bento: Path, target: Path) -> None:
    fill(bento, target)
    elsewhere = target.with_name("elsewhere")
    shutil.move(target / "src/package", elsewhere)
    (target / "src/package").symlink_to(elsewhere)
    model = target / MODEL / "model.joblib"
    model.unlink()
    model.symlink_to(bento / MODEL / "model.joblib")

    with pytest.raises(Tampered) as told:
        verify(bento, target)
    assert "src/package," in str(told.value)
    assert "model.joblib," in str(told.value)


def test_a_pod_waits_until_the_folder_is_there(bento: Path, target: Path) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            fill(bento, target)

    verify(bento, target, wait_seconds=60, pause=pause)

    assert len(pauses) == 3


def test_it_waits_no_longer_than_it_is_told(bento: Path, target: Path) -> None:
    with pytest.raises(NotThere, match=r"not there after 60 seconds.*kubectl get jobs"):
        verify(bento, target, wait_seconds=60, pause=lambda _seconds: None)


def test_exit_codes_tell_what_another_try_can_help(bento: Path, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert main(["verify", str(bento), str(target)]) == 1
    assert main(["fill", str(bento), str(target)]) == 0
    assert main(["fill", str(bento), str(target)]) == 0
    assert main(["verify", str(bento), str(target), "--wait", "5"]) == 0
    _write(target / "bento.yaml", "tampered")
    assert main(["fill", str(bento), str(target)]) == Deliver.TAMPERED
    assert main(["verify", str(bento), str(target)]) == Deliver.TAMPERED
    assert main(["fill", str(target / "nothing"), str(target)]) == 1

    told = [record.getMessage() for record in caplog.records]
    assert any(each.endswith("v3 is filled") for each in told)
    assert any(each.endswith("v3 is there already, and is what was packaged") for each in told)


def test_all_files_are_told_of_few_and_some_of_many(bento: Path, target: Path) -> None:
    fill(bento, target)
    for number in range(30):
        _write(target / f"more-{number:02d}", "")

    with pytest.raises(Tampered, match=r"more-09 and 20 more are not"):
        verify(bento, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
