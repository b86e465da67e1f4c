"""Where the host tool may touch the world."""

from __future__ import annotations

import ast

import pytest

from support.repository import calls, imports, tracked

HOST = "cli/mlsandbox/"
PROGRAMS = {
    "run.py": "every program that a command waits for",
    "supervise/": "the services, kept running after the command has ended",
}
WRITERS = {
    "actions/export_place.py": "the folder of an export, made",
    "actions/export_tree.py": "the folder of an export",
    "actions/init.py": "the folder of a new project",
    "atomic.py": "files that are whole or not there",
    "crash_report.py": "what went wrong unexpectedly",
    "file_lock.py": "locks between commands",
    "packaging/baseline.py": "the rows that a baseline is made of",
    "packaging/baseline_folder.py": "the reference that a project keeps beside its model",
    "packaging/bento.py": "the folder that a package is built from",
    "packaging/digest.py": "digests that are remembered",
    "packaging/environments.py": "environments in the cache",
    "packaging/file_capture.py": "what a model that came as a file was captured as",
    "packaging/image_access.py": "secrets and distributions of one image build",
    "packaging/image_build.py": "the folder of one image build, and its output",
    "packaging/image_recipes.py": "the build contexts of images",
    "packaging/lock.py": "the lock beside the model",
    "packaging/removal.py": "packages that go",
    "packaging/store.py": "packages in the project's store",
    "registry.py": "which stacks this machine has",
    "render/tree.py": "the rendered stack",
    "saving/": "the project folder that a notebook writes",
    "secrets.py": "generated keys",
    "state.py": "what is running, on which ports",
    "supervise/": "output and state of services",
    "volumes.py": "removes what `down --volumes` removes",
}
WRITES = {".write_text", ".write_bytes", ".touch", ".unlink", ".rmdir", ".mkdir", ".symlink_to", ".hardlink_to", ".chmod"}
WRITES |= {"os.replace", "os.rename", "os.remove", "os.unlink", "os.link", "os.makedirs", "os.mkdir", "shutil.rmtree", "shutil.copy"}
WRITES |= {"shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.copy2", "tempfile.mkdtemp", "tempfile.mkstemp"}
MODES = set("wax+")


def _writes(name: str) -> list[str]:
    return [f"{called}:{node.lineno}" for called, node in calls(name) if _is_write(called, node)]


def _is_write(called: str, node: ast.Call) -> bool:
    if called in {"open", "os.fdopen"} or called.endswith(".open"):
        values = [
            argument.value for argument in [*node.args, *(keyword.value for keyword in node.keywords)] if isinstance(argument, ast.Constant)
        ]
        return any(isinstance(mode, str) and 0 < len(mode) < 4 and MODES & set(mode) for mode in values)
    return called in WRITES or f".{called.rpartition('.')[2]}" in WRITES


def _inside(name: str, named: dict[str, str]) -> bool:
    return any(name == HOST + place or (place.endswith("/") and name.startswith(HOST + place)) for place in named)


def test_programs_start_in_one_place() -> None:
    """Only the runner and the supervisor may start programs."""
    strange = [name for name in tracked(HOST + "*.py") if "subprocess" in imports(name) and not _inside(name, PROGRAMS)]

    assert strange == []


def test_files_are_written_in_named_places() -> None:
    """Only the modules named here may write files; everything else returns values."""
    strange = {name: _writes(name) for name in tracked(HOST + "*.py") if not _inside(name, WRITERS) and _writes(name)}

    assert strange == {}


@pytest.mark.parametrize("place", WRITERS)
def test_named_places_write(place: str) -> None:
    """A module named as a writer must write, so that the list cannot outlive its reasons."""
    inside = [name for name in tracked(HOST + "*.py") if _inside(name, {place: ""})]

    assert any(_writes(name) for name in inside)


def test_one_place_prints() -> None:
    """Only output.py may print."""
    printing = [name for name in tracked(HOST + "*.py") if any(called == "print" for called, _ in calls(name))]

    assert set(printing) <= {HOST + "output.py"}


def test_only_commands_exit() -> None:
    """Only the command line, and what runs as a process of its own, may end the process."""
    ending = {"sys.exit", "exit", "quit", "typer.Exit", "os._exit"}
    allowed = (HOST + "cli/", HOST + "supervise/")
    strange = [name for name in tracked(HOST + "*.py") if not name.startswith(allowed) and ending & {called for called, _ in calls(name)}]

    assert strange == []
