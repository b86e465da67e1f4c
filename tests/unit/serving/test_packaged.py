"""What programs of a model's image take from the package beside them: its version, and its reference profile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox_serving import hand_out
from mlsandbox_serving.contract import Env, PackageFile, ProfileFile
from mlsandbox_serving.packaged import Packaged, packaged, served_version

MakeImage = Callable[..., Path]


@pytest.fixture
def image(tmp_path: Path) -> MakeImage:
    """The folder of a package as it lies in an image."""

    def make(manifest: object = None, *, profile: dict[str, bytes] | None = None) -> Path:
        root = tmp_path / "image"
        path = root / PackageFile.MANIFEST
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"model": "churn", "version": "v3"} if manifest is None else manifest), encoding="utf-8")
        for name, content in (profile or {}).items():
            (root / PackageFile.PROFILE).mkdir(exist_ok=True)
            (root / PackageFile.PROFILE / name).write_bytes(content)
        return root

    return make


def test_the_package_must_say_its_version(image: MakeImage) -> None:
    """Where the environment does not say the version, or says nothing, it must be the package's."""
    root = image()

    assert packaged(root) == Packaged("churn", "v3")
    assert served_version({}, root) == served_version({Env.VERSION: ""}, root) == "v3"


def test_the_environment_must_go_before_the_package(image: MakeImage) -> None:
    """What the stack states must be taken as it is."""
    assert served_version({Env.VERSION: "v9"}, image()) == "v9"


@pytest.mark.parametrize("manifest", [[], {"model": "churn"}, "v3"])
def test_an_unknown_version_must_stop_nothing(image: MakeImage, tmp_path: Path, manifest: object) -> None:
    """A package that is not there, or says nothing, must leave the version empty."""
    assert served_version({}, tmp_path / "nowhere") == ""
    assert served_version({}, image(manifest)) == ""


def test_the_profile_must_arrive_byte_for_byte(image: MakeImage, tmp_path: Path) -> None:
    """The files of the package's profile must lie in model/version, and no others; a second time must change nothing."""
    files = dict(zip(ProfileFile.ALL, (b'{"a": 1}', bytes(range(256)), b""), strict=True))
    root = image(profile={**files, "else.txt": b"x"})

    for _ in range(2):
        assert hand_out.hand_out(tmp_path / "to", root) == ("churn", "v3")
        assert {each.name: each.read_bytes() for each in (tmp_path / "to/churn/v3").iterdir()} == files
        assert [each.name for each in (tmp_path / "to/churn").iterdir()] == ["v3"]


def test_a_model_without_a_profile_must_have_an_empty_folder(image: MakeImage, tmp_path: Path) -> None:
    """Without a profile the version must be there all the same, with nothing in it."""
    hand_out.hand_out(tmp_path / "to", image())

    assert list((tmp_path / "to/churn/v3").iterdir()) == []


def test_several_models_must_share_the_target(image: MakeImage, tmp_path: Path) -> None:
    """What one model has left must stay when another one comes."""
    hand_out.hand_out(tmp_path / "to", image(profile={ProfileFile.DOCUMENT: b"{}"}))
    hand_out.hand_out(tmp_path / "to", image({"model": "wine", "version": "v1"}))

    assert (tmp_path / "to/churn/v3" / ProfileFile.DOCUMENT).read_bytes() == b"{}"
    assert (tmp_path / "to/wine/v1").is_dir()


def test_without_a_package_it_must_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Run where there is no package it must say so, not leave a target that looks as if a model had no profile."""
    assert hand_out.main([str(tmp_path / "to")]) == 1
    assert "not handed out" in caplog.text
    assert not (tmp_path / "to").exists()
