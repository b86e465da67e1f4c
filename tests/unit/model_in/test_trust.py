"""What a pickle may import: exact names of the lists, and what the user's own code defines; all else is refused."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.errors import UntrustedModel
from mlsandbox.packaging import allow
from mlsandbox.packaging.allow import allowed_globals
from mlsandbox.packaging.inspect import check_trust, defined_names, inspect_model

DANGEROUS = {
    "builtins": {
        "eval",
        "exec",
        "compile",
        "getattr",
        "setattr",
        "__import__",
        "open",
        "input",
        "breakpoint",
        "type",
        "map",
        "filter",
        "vars",
    },
    "operator": {"attrgetter", "methodcaller"},
    "copyreg": {"__newobj__", "add_extension"},
    "numpy": {"load", "fromfile", "memmap", "vectorize", "frompyfunc", "apply_along_axis", "genfromtxt", "loadtxt", "save", "savetxt"},
    "numpy.core": {"_ufunc_reconstruct"},
    "numpy._core": {"_ufunc_reconstruct"},
    "pandas": {"eval", "read_pickle", "read_csv", "read_sql"},
    "joblib.numpy_pickle": {"load"},
    "functools": {"reduce"},
}
MODULES = (
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "importlib",
    "runpy",
    "pickle",
    "marshal",
    "types",
    "ctypes",
    "shutil",
    "socket",
    "code",
    "cloudpickle",
)


class Runs:
    """Unpickles to a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("true",)


def _pickle(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def test_nothing_that_runs_code_is_allowed() -> None:
    """Callables that evaluate, import, open or call by name must not be listed."""
    allowed = allowed_globals()

    assert not {(module, name) for module, names in DANGEROUS.items() for name in names} & allowed
    assert not [pair for pair in allowed if pair[0].split(".")[0] in MODULES and pair != ("types", "SimpleNamespace")]


def test_scipy_distributions_are_not_allowed() -> None:
    """Unpickling scipy.stats' distributions runs text out of the pickle, so none may be listed."""
    assert not [pair for pair in allowed_globals() if pair[0].startswith("scipy.stats")]


def test_names_are_exact() -> None:
    """A dotted name could reach through a listed module into another, so listed names of functions have no dots."""
    assert not [pair for pair in allowed_globals() if "." in pair[1] and pair[1].split(".")[-1][:1].islower()]


def test_the_lists_are_read_once() -> None:
    """Reading the lists must import nothing of what they name, and be done once."""
    before = set(sys.modules)
    allowed_globals.cache_clear()
    first = allowed_globals()

    assert set(sys.modules) == before
    assert allowed_globals() is first


def test_the_lists_are_sorted() -> None:
    """Each list must be sorted and without doubles, so that a change shows as one line."""
    for path in Path(allow.__file__).parent.glob("*.txt"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

        assert lines == sorted(set(lines)), path.name


def test_a_command_is_refused_and_named(tmp_path: Path) -> None:
    """os.system in a pickle must be refused without being loaded, saying what it would import."""
    info = inspect_model(_pickle(tmp_path / "m.pkl", pickle.dumps(Runs())))

    with pytest.raises(UntrustedModel) as refusal:
        check_trust(info)
    assert f"{os.system.__module__}.system" in refusal.value.why
    check_trust(info, trust=True)


def test_own_code_is_trusted_for_what_it_defines(tmp_path: Path) -> None:
    """Classes and functions of files that were handed over must pass; what these files only import must not."""
    (tmp_path / "features.py").write_text(
        "import os\nfrom os import system\nfrom collections import namedtuple\nPoint = namedtuple('Point', 'x')\n"
        "class Scale:\n    class Inner: ...\ndef clean(x): return x\nif True:\n    def late(): ...\nrun = system\n"
    )
    names = b"(cfeatures\nScale\ncfeatures\nclean\ncfeatures\nPoint\ncfeatures\nlate\nl."
    good = inspect_model(_pickle(tmp_path / "good.pkl", names))
    bad = inspect_model(
        _pickle(tmp_path / "bad.pkl", b"\x80\x04(\x8c\x08features\x8c\x09os.system\x93cfeatures\nsystem\ncfeatures\nrun\nl.")
    )

    check_trust(good, code=[tmp_path / "features.py"])
    check_trust(good, code=[tmp_path])
    with pytest.raises(UntrustedModel) as refusal:
        check_trust(bad, code=[tmp_path / "features.py"])
    assert refusal.value.details["unknown"] == ["features.os.system", "features.run", "features.system"]


def test_packages_of_own_code_have_their_names(tmp_path: Path) -> None:
    """Modules in packages must be known by their full names, also through a package's __init__."""
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").write_text("class Top: ...")
    (tmp_path / "shop" / "deep" / "prices.py").write_text("class Price:\n    class Unit: ...")

    wanted = {("shop", "Top"), ("shop.deep.prices", "Price"), ("shop.deep.prices", "Price.Unit")}
    assert defined_names([tmp_path]) == wanted
    assert defined_names([tmp_path / "shop"]) == wanted


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (b"c__main__\nScaler\n.", "module"),
        (b"ccloudpickle.cloudpickle\n_make_function\n.", "lambdas"),
        (b"cscipy.stats._distn_infrastructure\nrv_frozen\n.", "best_estimator_"),
    ],
)
def test_the_remedy_fits_what_is_unknown(tmp_path: Path, name: bytes, word: str) -> None:
    """Classes of __main__, lambdas and distributions have remedies of their own."""
    with pytest.raises(UntrustedModel) as refusal:
        check_trust(inspect_model(_pickle(tmp_path / "m.pkl", name)))

    assert word in refusal.value.fix


def test_what_cannot_be_told_is_refused_even_with_code(tmp_path: Path) -> None:
    """A computed name must be refused whatever code was handed over."""
    (tmp_path / "mine.py").write_text("class A: ...")
    info = inspect_model(_pickle(tmp_path / "m.pkl", b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93."))

    with pytest.raises(UntrustedModel):
        check_trust(info, code=[tmp_path / "mine.py"])
