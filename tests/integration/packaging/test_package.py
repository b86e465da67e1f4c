"""From a model file to a package: really locked, built and bundled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlsandbox import run as runner
from mlsandbox.errors import CaptureFailed, CaptureStale, LockConflict, PackagesUnreachable, PackageTampered, PackagingFailed
from mlsandbox.packaging import store
from mlsandbox.packaging.inspect import ModelInfo, check_trust
from mlsandbox.packaging.store import Package, list_packages, verify_package
from mlsandbox_serving.contract import PackageFile, ProfileFile
from support.packages import MODEL, add_setting, package_project

LEAK = re.compile(
    r"(?<![\w.])(/home|/root|/tmp|/work|/opt|/usr/lib|/var)/[\w.]+|--(extra-)?index-url|--find-links|/simple\b|pythonh[o]sted"
)


def test_tree(packaged: Package) -> None:
    """A package must hold the served code, the package files and the model, and nothing else of ours or the user's."""
    top = {path.name for path in packaged.source.iterdir()}
    assert top == {"service.py", "package", "mlsandbox_serving", "bentofile.yaml"}
    files = {path.name for path in (packaged.source / "package").iterdir()}
    assert files == {"package.json", "schema.json", "golden.json", "lock.txt", "profile"}
    assert {path.name for path in (packaged.source / PackageFile.PROFILE).iterdir()} == set(ProfileFile.ALL)
    assert {path.name for path in packaged.model_folder.iterdir()} == {"model.joblib", "model.yaml"}
    assert not list(packaged.store.rglob("*.pyc"))
    assert packaged.tag == "churn:v1"
    assert packaged.manifest["origin"].startswith("environment from the interpreter that runs sandbox (")
    golden = json.loads((packaged.source / PackageFile.GOLDEN).read_text())
    assert len(golden["predictions"]) >= 10
    verify_package(packaged)


def test_nothing_of_this_machine(packaged: Package) -> None:
    """No index address and no path of this machine may be inside a package."""
    files = [path for path in packaged.store.rglob("*") if path.is_file() and "mlsandbox_serving" not in path.parts]
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in files if path.suffix != ".joblib"}
    ours = {path: text for path, text in texts.items() if path.name not in {"Dockerfile", "entrypoint.sh"}}  # BentoML's, paths in the image
    assert {path.name: LEAK.findall(text) for path, text in ours.items() if LEAK.search(text)} == {}
    project = str(packaged.store.parents[1])
    assert [path.name for path, text in texts.items() if project in text] == []


def test_lock_is_portable(packaged: Package) -> None:
    """The lock beside the model must pin and hash every package, and hold no address."""
    text = (packaged.store.parents[1] / MODEL / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert len(lines) > 50
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ \\", line) or ";" in line for line in lines)
    assert "bentoml==1.4.39" in text
    assert not LEAK.search(text)


def test_nothing_changed(packaged: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same inputs must give the same version, without running any program."""
    root = packaged.store.parents[1]
    monkeypatch.setattr(subprocess, "Popen", None)
    again = package_project(root)
    assert (again.version, again.digest, again.created) == ("v1", packaged.digest, False)
    assert [each.version for each in list_packages(root, "churn")] == ["v1"]


def test_same_model_elsewhere(packaged: Package, project: Path) -> None:
    """The same inputs in another folder must give the same digest."""
    assert package_project(project).digest == packaged.digest


def test_second_version(packaged: Package) -> None:
    """A changed setting must give v2 beside an untouched v1, with nothing locked or installed anew and with the model stored once."""
    root = packaged.store.parents[1]
    add_setting(root, 'hashed = ["age"]')
    ran: list[str] = []
    runner.set_echo(ran.append)
    try:
        second = package_project(root)
    finally:
        runner.set_echo(None)
    assert [line.split(" -m ")[-1] for line in ran] == ["mlsandbox_serving.profiling", "mlsandbox_serving.build"]
    assert (second.version, second.created) == ("v2", True)
    assert second.digest != packaged.digest
    assert second.manifest["hashed"] == ["age"]
    assert "age" in second.manifest["profile"]["left_out"]
    assert [each.version for each in list_packages(root, "churn")] == ["v2", "v1"]
    assert len([path for path in (packaged.store / "models/churn").iterdir() if path.is_dir()]) == 1
    verify_package(packaged)
    verify_package(second)


def test_retrained_in_place(packaged: Package) -> None:
    """Overwriting the model file must not reach into the packages that were made of it."""
    model = packaged.store.parents[1] / MODEL / "model.joblib"
    with model.open("r+b") as file:
        file.write(b"not a model any more")
    verify_package(packaged)


_PROFILED = tuple(f"{PackageFile.PROFILE}/{name}" for name in ProfileFile.ALL)


@pytest.mark.parametrize("victim", ["model.joblib", PackageFile.GOLDEN, PackageFile.LOCK, "mlsandbox_serving/contract.py", *_PROFILED])
def test_tampering_is_found(packaged: Package, victim: str) -> None:
    """A file that was changed after packaging must be named."""
    path = packaged.model_folder / victim if victim == "model.joblib" else packaged.source / victim
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(PackageTampered) as caught:
        verify_package(packaged)
    assert victim.partition("/contract")[0] in caught.value.why


@pytest.mark.parametrize("name", _PROFILED)
def test_a_missing_file_of_the_profile_is_found(packaged: Package, name: str) -> None:
    """A file of the reference profile that is gone must be named."""
    (packaged.source / name).unlink()

    with pytest.raises(PackageTampered) as caught:
        verify_package(packaged)
    assert name in caught.value.why


_OTHERS = ("service.py", "numpy.py", "package/code/pandas.py", "bentoml.pyc", "mlsandbox_serving/extra.pyc", "package/profile/more.npz")


@pytest.mark.parametrize("name", _OTHERS)
def test_other_code_than_ours_is_found(packaged: Package, name: str) -> None:
    """A service.py that is not the served code's own, and whatever else could be imported from a package, must be named."""
    path = packaged.source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"import os\n")
    with pytest.raises(PackageTampered) as caught:
        verify_package(packaged)
    assert name in caught.value.why


@pytest.mark.parametrize("look", [1, 2])
def test_what_is_loaded_is_what_was_looked_into(look: int, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is replaced right after one of the two looks into it must be neither loaded nor packaged."""
    model = project / MODEL / "model.joblib"
    looks: list[object] = []

    def replaced(info: ModelInfo, **options: Any) -> None:
        check_trust(info, **options)
        looks.append(info)
        if len(looks) == look:
            model.write_bytes(b"cposix\n_exit\n(K\x07tR.")

    monkeypatch.setattr("mlsandbox.packaging.store.check_trust", replaced)
    if look == 1:
        with pytest.raises(PackagingFailed, match="changed while"):
            package_project(project)
    else:
        assert b"_exit" not in (package_project(project).model_folder / "model.joblib").read_bytes()
    assert len(looks) == look


def test_edited_lock_is_respected(packaged: Package) -> None:
    """A lock that was edited by hand must be used as it is, even when its environment then cannot serve."""
    root = packaged.store.parents[1]
    lock = root / MODEL / "requirements.lock"
    edited = re.sub(r"^simple-di==.*\n(?: .*\n)+", "", lock.read_text(), flags=re.MULTILINE)
    lock.write_text(edited)
    with pytest.raises(PackagingFailed, match="environment of churn could not be built") as caught:
        package_project(root)
    assert "No module named 'simple_di'" in caught.value.why
    assert lock.read_text() == edited
    assert [each.version for each in list_packages(root, "churn")] == ["v1"]


def test_killed_while_building(project: Path) -> None:
    """A build that is killed at any point must leave the store as it was, and the next one must work."""
    root = project
    code = (
        "import sys\nfrom pathlib import Path\nfrom mlsandbox.packaging.store import package_model\n"
        "from mlsandbox.project import load_project\nroot = Path(sys.argv[1]); (model,) = load_project(root).models.values()\n"
        "package_model(model, root=root, report=lambda line: print(line, flush=True))"
    )
    environ = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CONDA_PREFIX"}}
    with subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        assert any(line.startswith("building package") for line in process.stdout)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert list_packages(root, "churn") == []
    made = package_project(root)
    assert made.version == "v1"
    verify_package(made)
    assert list((root / ".sandbox/tmp").iterdir()) == []


def test_capture_of_another_model(packaged: Package) -> None:
    """A capture.json about other bytes of the same file must be refused."""
    root = packaged.store.parents[1]
    capture = {"schema_version": 1, "files": [{"path": "model.joblib", "sha256": "0" * 64, "size": 1}]}
    (root / MODEL / "capture.json").write_text(json.dumps(capture))
    with pytest.raises(CaptureStale, match=r"model\.joblib is not what was saved"):
        package_project(root)


def test_model_that_does_not_predict(project: Path) -> None:
    """A reference that the model cannot predict must be an error that says what the model said."""
    root = project
    (root / MODEL / "reference.csv").write_text("other,left\n1,0\n2,1\n")
    with pytest.raises(CaptureFailed):
        package_project(root)
    assert list_packages(root, "churn") == []


def test_conflicting_requirements(project: Path) -> None:
    """Versions that cannot be served must be an error that names both sides, and must leave no lock."""
    root = project
    (root / "requirements.txt").write_text("scikit-learn==1.9.1\nnumpy==1.25.2\n")
    add_setting(root, 'requirements = "requirements.txt"')
    with pytest.raises(LockConflict) as caught:
        package_project(root)
    assert "the model needs numpy==1.25.2" in caught.value.why
    assert not (root / MODEL / "requirements.lock").exists()


def test_without_network(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without index and cache the error must say that, and what the cache lacks."""
    root = project
    for name, value in {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_CACHE_DIR": str(tmp_path / "empty"),
        "UV_HTTP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(PackagesUnreachable) as caught:
        package_project(root)
    assert "cache does not hold" in caught.value.why


def test_store_is_what_is_imported() -> None:
    """The names that other parts use must be there."""
    assert set(store.__all__) >= {"Package", "ensure_package_environment", "list_packages", "package_model", "verify_package"}
