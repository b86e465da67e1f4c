"""Environments: one per lock, in the user's cache, shared by all projects; built whole or not at all.

`envs/<digest>-py3.11-linux-x86_64/` is a virtual environment that uv filled from a hash lock. It is built under a temporary name and
renamed when it is complete, so its being there means that it works; two builders of the same one wait for each other, and what a
killed build left behind is removed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.errors import CommandFailed, PackagingFailed, PythonMissing, SandboxError
from mlsandbox.file_lock import exclusive, exclusive_if_free
from mlsandbox.packaging.interpreters import find_python, pythons_of
from mlsandbox.packaging.lock import Lock
from mlsandbox.packaging.uv import run_uv
from mlsandbox.run import run

CACHE_VARIABLE: Final = "SANDBOX_CACHE_DIR"
_MARKER: Final = "environment.json"
_TOLD: Final = ("Downloading", "Building", "Prepared", "Installed")
"""The lines of uv that say what takes time; the rest is one line per package."""

_FIRST_IMPORT: Final = """
import importlib, os, sys, traceback
required, science, optional = (words.split(",") for words in sys.argv[1:])
child = os.fork() if len(science) > 1 else None  # two halves that share little, at once
try:
    for name in required if child is None or child else science:
        importlib.import_module(name)
    if child == 0:
        for name in optional:
            try:
                importlib.import_module(name)
            except ImportError:
                pass
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
if child == 0:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)
"""
_SERVED: Final = (
    *("bentoml", "bentoml._internal.service.loader", "_bentoml_sdk.service", "_bentoml_impl.server", "_bentoml_impl.worker.service"),
    *("fluent.sender", "msgpack", "msgspec", "prometheus_client"),
)
_SCIENCE: Final = ("numpy", "pandas")
_IMPORTS: Final = {"drift-alibi": ("msgpack", "alibi_detect.cd", "alibi_detect.od")}
"""Of our own services of which more than msgpack is tried."""
_FRAMEWORKS: Final = (
    *("pyarrow.parquet", "pyarrow.csv", "sklearn.compose", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline"),
    *("xgboost", "lightgbm", "catboost", "onnxruntime", "torch", "mlflow.pyfunc"),
)


def cache_dir() -> Path:
    """Where environments are kept: SANDBOX_CACHE_DIR, else the platform's cache folder."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - not needed to print help

    return Path(platformdirs.user_cache_dir("mlsandbox"))


def model_environment(lock: Lock, *, model: str, near: Path | None = None, report: Callable[[str], None]) -> Path:
    """The interpreter of a model's environment, built first when it is not there.

    Args:
        lock: what is in it.
        model: whose it is.
        near: an interpreter that is known to be of the lock's Python; None: one is looked for.
        report: told what takes time.

    Raises:
        PythonMissing, PackagesUnreachable, PackagingFailed: it cannot be built.
    """
    return ensure_environment(lock.text, digest=lock.digest, python=lock.python, near=near, name=model, imports=_SERVED, report=report)


def service_environment(service: str, *, report: Callable[[str], None]) -> Path:
    """The interpreter of the environment of one of our own services ("log-store"), built first when it is not there."""
    text, digest = _service_lock(service)
    imports = _IMPORTS.get(service, ("msgpack",))
    return ensure_environment(text, digest=digest, python=_any_python(service), name=service, imports=imports, report=report)


def service_python(service: str) -> Path:
    """Where `service_environment` has its interpreter, built or not."""
    return environment_path(_service_lock(service)[1], _any_python(service)) / "bin/python"


def is_built(service: str) -> bool:
    """Whether the environment of one of our own services is there."""
    try:
        return _is_complete(service_python(service).parents[1])
    except PythonMissing:
        return False


def why_not(service: str) -> str | None:
    """Why one of our own services cannot run here as a process, with what to do; None when it can."""
    try:
        _any_python(service)
    except PythonMissing as error:
        return f"{error.why}, and none of them is on this machine: {error.fix}"
    return None


def environment_path(digest: str, python: str) -> Path:
    """Where the environment of a lock is, built or not."""
    system = f"{platform.system()}-{platform.machine()}".lower()
    return cache_dir() / "envs" / f"{digest.removeprefix('sha256:')[:20]}-py{python}-{system}"


def ensure_environment(
    text: str, *, digest: str, python: str, near: Path | None = None, name: str, imports: tuple[str, ...], report: Callable[[str], None]
) -> Path:
    """The interpreter of the environment that `text` locks.

    Args:
        text: requirements with hashes.
        digest: of the lock: the environment's identity.
        python: Python's minor version.
        near: an interpreter of that version; None: one is looked for.
        name: what it is for, for messages.
        imports: modules that must import for the environment to count as built.
        report: told what takes time.
    """
    folder = environment_path(digest, python)
    if _is_complete(folder):
        return folder / "bin/python"
    lock_file = folder.with_name(f"{folder.name}.lock")
    with exclusive(lock_file, waiting=lambda: report(f"waiting for another command that builds the environment of {name}")):
        if not _is_complete(folder):
            _remove_leftovers(folder.parent, own=lock_file)
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, text, find_python(python, near=near), digest=digest, python=python, name=name, imports=imports, report=report)
    return folder / "bin/python"


def _service_lock(service: str) -> tuple[str, str]:
    """The text of the lock of one of our own services, and its digest."""
    text = asset(f"requirements/{service}.txt")
    return text, f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _build(
    folder: Path,
    text: str,
    interpreter: Path,
    *,
    digest: str,
    python: str,
    name: str,
    imports: tuple[str, ...],
    report: Callable[[str], None],
) -> None:
    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    report(f"building the environment of {name} ({text.count('==')} packages, Python {python})")
    try:
        # Relocatable, since it is renamed: its scripts find their interpreter beside themselves.
        run_uv(
            ["venv", "--quiet", "--relocatable", "--no-project", "--python", str(interpreter), str(temporary)],
            what=f"making the environment of {name}",
        )
        (temporary / "requirements.txt").write_text(text, encoding="utf-8")
        run_uv(
            ["pip", "sync", "--require-hashes", "--python", str(temporary / "bin/python"), "requirements.txt"],
            what=f"installing the environment of {name}",
            cwd=temporary,
            on_line=lambda line: report(line.strip()) if line.strip().startswith(_TOLD) else None,
        )
        _import_once(temporary / "bin/python", imports, name=name)
        marker = {"schema_version": 1, "digest": digest, "python": python, "base": str(interpreter)}
        (temporary / _MARKER).write_text(json.dumps(marker), encoding="utf-8")
        temporary.rename(folder)
    except CommandFailed as error:
        raise PackagingFailed(
            f"the environment of {name} could not be built",
            why=error.why,
            fix=f"see the whole output: sandbox -v up; the lock is {name}'s requirements.lock",
            details=error.details,
        ) from error
    except OSError as error:
        raise PackagingFailed(
            f"the environment of {name} could not be built", why=str(error), fix=f"make room or set {CACHE_VARIABLE}: {folder.parent}"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _import_once(python: Path, imports: tuple[str, ...], *, name: str) -> None:
    """Import what will be served: proof that it works, and its bytecode is written, so that the first start is quick.

    Compiling everything takes three times as long: most of the files of the science stack are tests.
    """
    science, frameworks = (_SCIENCE, _FRAMEWORKS) if imports == _SERVED else (("sys",), ("sys",))
    run(
        [python, "-W", "ignore", "-c", _FIRST_IMPORT, *(",".join(names) for names in (imports, science, frameworks))],
        env={"PYTHONDONTWRITEBYTECODE": None, "PYTHONPATH": None, "BENTOML_DO_NOT_TRACK": "true"},
        what=f"trying the environment of {name}",
    )


def _is_complete(folder: Path) -> bool:
    """The marker is there, and the Python that it was made with still is."""
    return (folder / _MARKER).is_file() and (folder / "bin/python").exists()


def _remove_leftovers(envs: Path, *, own: Path) -> None:
    """Remove what killed builds left: temporary folders that nobody holds the lock of."""
    for temporary in envs.glob("*.tmp-*"):
        lock_file = envs / f"{temporary.name.rpartition('.tmp-')[0]}.lock"
        if lock_file == own:
            shutil.rmtree(temporary, ignore_errors=True)
            continue
        with exclusive_if_free(lock_file) as free:
            if free:
                shutil.rmtree(temporary, ignore_errors=True)


def _any_python(service: str) -> str:
    """The first Python that is here and on which a service runs; ours is the usual answer."""
    own = ".".join(platform.python_version_tuple()[:2])
    able = pythons_of(service)
    last: SandboxError | None = None
    for minor in dict.fromkeys((*(minor for minor in able if minor == own), *reversed(able))):
        try:
            find_python(minor)
        except PythonMissing as error:
            last = error
        else:
            return minor
    raise PythonMissing(
        f"no Python on which {service} runs is on this machine",
        why=f"it runs on Python {', '.join(able)}",
        fix=f"install one: uv python install {able[-1]}",
    ) from last
