"""A model's kind is told from its bytes; what is not served is refused with the way out."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from mlsandbox.errors import ModelFileUnreadable, ModelKindUnknown
from mlsandbox.packaging.inspect import inspect_model
from mlsandbox.packaging.model_files import kind_of
from mlsandbox_serving.contract import ModelKind


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _archive(folder: Path, name: str, *members: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"x")
    return path


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("m.pkl", pickle.dumps({}, protocol=4), ModelKind.SKLEARN),
        ("m.joblib", b"\x78\x9c" + b"x" * 20, ModelKind.SKLEARN),
        ("renamed.bin", pickle.dumps({}, protocol=2), ModelKind.SKLEARN),
        ("old.pkl", pickle.dumps({}, protocol=0), ModelKind.SKLEARN),
        ("m.ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", ModelKind.XGBOOST),
        ("m.json", b'{"learner": {"attributes": {}}, "version": [3, 2, 0]}', ModelKind.XGBOOST),
        ("m.txt", b"tree\nversion=v4\nnum_class=1\n", ModelKind.LIGHTGBM),
        ("m.cbm", b"CBM1\x00\x01", ModelKind.CATBOOST),
        ("m.onnx", b"\x08\x09\x12\x07skl2onnx", ModelKind.ONNX),
        ("m.bin", b"\x08\x09\x12\x07skl2onnx", ModelKind.ONNX),
    ],
)
def test_kind_by_content(tmp_path: Path, name: str, content: bytes, kind: ModelKind) -> None:
    """The kind must be told from first bytes and name."""
    assert kind_of(_file(tmp_path, name, content)) is kind


def test_torchscript_is_told_from_a_pickled_module(tmp_path: Path) -> None:
    """A TorchScript archive holds code and constants; a torch.save archive is refused with how to convert it."""
    script = _archive(tmp_path, "script.pt", "m/data.pkl", "m/constants.pkl", "m/code/__torch__.py")
    saved = _archive(tmp_path, "saved.pt", "m/data.pkl", "m/data/0")

    assert kind_of(script) is ModelKind.TORCHSCRIPT
    with pytest.raises(ModelKindUnknown) as refusal:
        kind_of(saved)
    assert "torch.jit.script" in refusal.value.fix


def test_a_python_entry_is_python(tmp_path: Path) -> None:
    """predict.py:Predictor must be the plain Python kind; without the class it is asked for."""
    path = _file(tmp_path, "predict.py", b"class Predictor: ...")

    assert kind_of(path, entry="predict.py:Predictor") is ModelKind.PYTHON
    with pytest.raises(ModelKindUnknown) as refusal:
        kind_of(path)
    assert refusal.value.fix == "give the class too: predict.py:Predictor"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.h5", b"\x89HDF\r\n"),
        ("m.model", b"binf\x00"),
        ("m.bin", b"\x00\x01\x02"),
        ("data.csv", b"a,b\n1,2\n"),
        ("m.pt", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M"),
        ("notes.txt", b"hello"),
    ],
)
def test_other_files_are_refused_with_a_way_out(tmp_path: Path, name: str, content: bytes) -> None:
    """What is no served kind must be refused, saying what would be."""
    with pytest.raises(ModelKindUnknown) as refusal:
        inspect_model(_file(tmp_path, name, content))

    assert refusal.value.why
    assert refusal.value.fix


def test_missing_empty_and_broken_files_are_unreadable(tmp_path: Path) -> None:
    """A path without a model must be told from a model of another kind."""
    for path in (
        tmp_path / "none.pkl",
        _file(tmp_path, "empty.pkl", b""),
        _file(tmp_path, "bad.pkl", b"\x80\x04K"),
        _file(tmp_path, "z.pt", b"PK\x03\x04"),
    ):
        with pytest.raises(ModelFileUnreadable):
            inspect_model(path)


def test_lz4_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """A compression that cannot be read must name one that can."""
    with pytest.raises(ModelFileUnreadable) as refusal:
        inspect_model(_file(tmp_path, "m.joblib", b"\x04\x22\x4d\x18rest"))

    assert "zlib" in refusal.value.why


MLMODEL = """
flavors:
  python_function:
    loader_module: {loader}
    model_path: model.pkl
  sklearn:
    sklearn_version: 1.6.1
"""


def _mlflow(folder: Path, loader: str) -> Path:
    (folder / "MLmodel").write_text(MLMODEL.format(loader=loader))
    (folder / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    return folder


def test_an_mlflow_folder_is_checked_as_a_whole(tmp_path: Path) -> None:
    """Pickles inside must be walked, versions read, all files digested."""
    info = inspect_model(_mlflow(tmp_path, "mlflow.sklearn"))

    assert info.kind is ModelKind.MLFLOW
    assert [file.path for file in info.files] == ["MLmodel", "model.pkl"]
    assert info.versions == {"scikit-learn": "1.6.1"}
    assert not info.unknown


def test_mlflow_code_is_not_trusted_by_itself(tmp_path: Path) -> None:
    """A loader that is not a framework's, and Python files inside, must be reported."""
    folder = _mlflow(tmp_path, "my_loader")
    (folder / "code").mkdir()
    (folder / "code" / "my_loader.py").write_text("import os")

    assert inspect_model(folder).unknown == ("my_loader (MLflow loader)", "code/my_loader.py (Python file)")


@pytest.mark.parametrize("text", ["", "[]", "flavors: {sklearn: {}}", "a: [", "flavors:\n  python_function: 3\n"])
def test_a_broken_mlmodel_file_is_unreadable(tmp_path: Path, text: str) -> None:
    """An MLmodel without a python_function flavour cannot be served."""
    (tmp_path / "MLmodel").write_text(text)

    with pytest.raises(ModelFileUnreadable):
        inspect_model(tmp_path)


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    """The same file must have the same digest, another byte or name another one."""
    first = inspect_model(_file(tmp_path, "m.pkl", pickle.dumps(1)))
    again = inspect_model(_file(tmp_path, "m.pkl", pickle.dumps(1)))
    changed = inspect_model(_file(tmp_path, "m.pkl", pickle.dumps(2)))
    renamed = inspect_model(_file(tmp_path, "n.pkl", pickle.dumps(1)))

    assert first.digest == again.digest
    assert len({first.digest, changed.digest, renamed.digest}) == 3
