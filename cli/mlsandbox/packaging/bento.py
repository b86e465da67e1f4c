"""Build a bento in the model's environment, and put it into the project's store in one step.

BentoML runs as a program of its own, in the environment that will serve. It builds in a store of its own beside the project's; only
what is complete is renamed into place, so an interrupted build leaves the project's store as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import CommandFailed, PackagingFailed
from mlsandbox.packaging.digest import walk
from mlsandbox.packaging.inspect import import_root
from mlsandbox.packaging.interpreters import uv_program
from mlsandbox.packaging.labels import labels_of
from mlsandbox.run import run
from mlsandbox.settings import ModelConfig
from mlsandbox_serving.contract import PackageFile

_ENTRY: Final = "service/bento_entry.py"
"""The file of the served code that becomes the bento's service.py."""


@dataclass(frozen=True, slots=True)
class BentoInput:
    """What goes into a bento.

    Args:
        name: the bento's and the model's name.
        version: "v3".
        digest: of the package.
        model_tag: the model's place in BentoML's model store.
        files: the model's files: path in the store -> file to copy.
        package: text files of the package: path below the bento's `src/` -> text.
        copied: other files of the package: path below the bento's `src/` -> file to copy.
        code: the user's own modules: path below package/code -> file to copy.
        python: Python's minor version.
    """

    name: str
    version: str
    digest: str
    model_tag: str
    files: Mapping[str, Path]
    package: Mapping[str, str]
    copied: Mapping[str, Path]
    code: Mapping[str, Path]
    python: str


def served_code() -> Path:
    """The folder of the served code, wherever it is installed."""
    found = find_spec("mlsandbox_serving")
    if found is None or not found.submodule_search_locations:
        raise PackagingFailed("the served code is not installed", fix="reinstall: pip install --force-reinstall mlsandbox")
    return Path(next(iter(found.submodule_search_locations)))


def copy_served_code(target: Path) -> None:
    """Copy the served code to `target`/mlsandbox_serving."""
    source = served_code()
    copy_files({file.relative_to(source).as_posix(): file for file in walk(source)}, target / source.name)


def code_sources(model: ModelConfig) -> dict[str, Path]:
    """The user's modules by the path that they will have on sys.path: files and packages by their names, else what a folder holds."""
    return {file.relative_to(import_root(path)).as_posix(): file for path in model.code for file in walk(path)}


def copy_files(files: Mapping[str, Path], target: Path) -> None:
    """Copy files to the paths below `target` that they are keyed by; `target` is there afterwards."""
    target.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def serving_environment(**more: str) -> dict[str, str | None]:
    """Variables for programs that run in a model's environment: nothing of ours leaks in, and nothing is told to anybody.

    Idle threads of OpenMP leave the cores to others rather than spin.
    """
    return {
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_CONFIG": None,
        "OMP_WAIT_POLICY": "PASSIVE",
        "PATH": os.pathsep.join((str(uv_program().parent), os.environ.get("PATH", os.defpath))),
        "PYTHONDONTWRITEBYTECODE": None,
        "PYTHONHOME": None,
        "PYTHONPATH": None,
        "VIRTUAL_ENV": None,
        **more,
    }


def build_bento(bento: BentoInput, *, store: Path, scratch: Path, interpreter: Path, check: Callable[[Path], None]) -> Path:
    """Build, and return the bento's folder in `store`.

    Args:
        bento: what goes into it.
        store: BENTOML_HOME of the project.
        scratch: an empty folder on the same disk, for the build's own store.
        interpreter: of the model's environment.
        check: called with the finished bento before it enters the project's store; what it raises is passed on.

    Raises:
        PackagingFailed: BentoML could not build it.
    """
    model = Path("models") / bento.name / bento.model_tag.rpartition(":")[2]
    stored = (store / model).is_dir()
    if stored:
        shutil.copytree(store / model, scratch / model, copy_function=os.link)
    with _context_folder() as context:
        _write_context(context, bento)
        request = {
            "context": str(context),
            "name": bento.name,
            "version": bento.version,
            "labels": labels_of(bento.name, bento.version, bento.digest),
            "python": bento.python,
            "base_image": f"python:{bento.python}-slim",  # what plain BentoML would start a container from; ours are told another one
            "requirements": PackageFile.LOCK,
            "model": {"tag": bento.model_tag, "files": {} if stored else {name: str(path) for name, path in bento.files.items()}},
        }
        answer = _run_build(request, context, scratch, interpreter, bento.name)
    folder = Path("bentos") / bento.name / bento.version
    if Path(answer["path"]).resolve() != (scratch / folder).resolve():
        raise PackagingFailed(f"the package of {bento.name} is not where it should be: {answer['path']}", fix="build again: sandbox up")
    check(scratch / folder)
    if not stored:
        _commit(scratch, store, model)
    _commit(scratch, store, folder)
    return store / folder


def _run_build(request: dict[str, Any], context: Path, home: Path, interpreter: Path, name: str) -> dict[str, str]:
    try:
        done = run(
            [interpreter, "-W", "ignore", "-m", "mlsandbox_serving.build"],
            input=json.dumps(request),
            cwd=context,
            env=serving_environment(BENTOML_HOME=str(home)),
            what=f"building the package of {name}",
        )
        answer: dict[str, str] = json.loads(done.stdout)
    except CommandFailed as error:
        raise PackagingFailed(
            f"the package of {name} could not be built", why=error.why, fix="see the whole output: sandbox -v up", details=error.details
        ) from error
    return answer


def _write_context(context: Path, bento: BentoInput) -> None:
    copy_served_code(context)
    shutil.copyfile(served_code() / _ENTRY, context / PackageFile.SERVICE)
    for name, text in bento.package.items():
        place = context / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    copy_files(bento.copied, context)
    if bento.code:
        copy_files(bento.code, context / PackageFile.CODE)


def _commit(scratch: Path, store: Path, folder: Path) -> None:
    """Rename a finished folder into the store; BentoML's `latest` file beside it names the newest."""
    target = store / folder
    target.parent.mkdir(parents=True, exist_ok=True)
    (scratch / folder).rename(target)
    write_atomic(target.parent / "latest", folder.name)


@contextlib.contextmanager
def _context_folder() -> Iterator[Path]:
    """A temporary folder that no dot-directory contains: BentoML leaves such files out."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - mkdtemp makes a private folder in it
    place = next((each for each in places if each.is_dir() and not any(part.startswith(".") for part in each.resolve().parts)), None)
    with tempfile.TemporaryDirectory(prefix="mlsandbox-", dir=place) as folder:
        yield Path(folder).resolve()
