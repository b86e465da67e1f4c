"""The error boundary, the global options and the help."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox import crash_report
from mlsandbox.actions.predict import read_body
from mlsandbox.cli import topics
from mlsandbox.cli.commands import COMMANDS
from mlsandbox.errors import InputUnreadable, SandboxError

from .conftest import Ran

Run = Callable[..., Ran]
PROJECT = 'name = "churn"\n[models.churn]\npath = "model.onnx"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a project that was never up."""
    (tmp_path / "sandbox.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [("-o", "json", "config", "path"), ("config", "path", "-o", "json"), ("config", "path", "--json"), ("--json", "config", "path")],
)
def test_global_options_stand_anywhere(sandbox: Run, project: Path, words: tuple[str, ...]) -> None:
    """A global option must mean the same before and after the command, and --json the same as -o json."""
    ran = sandbox(*words)

    assert (ran.code, ran.json["kind"], ran.json["file"]) == (0, "ConfigPath", str(project / "sandbox.toml"))


def test_hints_name_the_folder(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint must work where it is read: with -C or a folder as argument it must name the folder."""
    monkeypatch.chdir("/")

    assert f"hint: start it: sandbox -C {project} up" in sandbox("-C", str(project), "predict", "{}").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "."), "error[PROJECT_NOT_FOUND]: there is no sandbox.toml in "),
        (("up", "none.joblib"), "error[INPUT_UNREADABLE]: there is no file none.joblib"),
    ],
)
def test_a_folder_without_a_project(
    sandbox: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """A folder that is no project must be called so, not a bad model."""
    monkeypatch.chdir(tmp_path)

    assert said in sandbox(*words).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--port", "99999"), "hint: see how it is written: sandbox up --help"),
        (("logs",), "warning: no service has run here yet; start the stack: sandbox up"),
    ],
)
def test_hints_are_about_what_was_typed(sandbox: Run, project: Path, words: tuple[str, ...], said: str) -> None:
    """A hint must lead to the thing that was wrong: a flag, a stack that never ran, a file."""
    assert project.is_dir()
    assert said in sandbox(*words).err
    with pytest.raises(InputUnreadable) as missing:
        read_body("@none.json", None)
    assert missing.value.fix == "check the path: none.json"


def test_options_after_the_command_win(sandbox: Run, project: Path) -> None:
    """What stands after the command must win over what stands before it, and both over the variable."""
    assert sandbox("-o", "json", "config", "path", "-o", "text").out == f"{project / 'sandbox.toml'}\n"


@pytest.mark.parametrize(("variable", "value"), [("SANDBOX_OUTPUT", "json"), ("SANDBOX_JSON", "1")])
def test_global_options_have_variables(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """Each global option must be settable by its variable, and a flag must win over it."""
    monkeypatch.setenv(variable, value)

    assert sandbox("config", "path").json["kind"] == "ConfigPath"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("upp",), "Did you mean 'up'?"),
        (("status", "--bogus"), "No such option: --bogus"),
        (("logs", "--level", "loud"), "loud"),
        (("-o", "xml", "status"), "'--output': 'xml' is not one of"),
        (("predict", "--example", "{}"), "give a request"),
        (("status", "--timeout", "soon"), "must be a duration"),
        (("config", "path", "-o", "env"), "writes text, json, yaml"),
        (("help", "nothing-of-that-kind"), "there is no help on"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_usage_errors(sandbox: Run, project: Path, words: tuple[str, ...], said: str) -> None:
    """A mistake on the command line must end with 2, on standard error alone, and lead to the help."""
    ran = sandbox(*words)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "sandbox" in ran.err.splitlines()[-1]


def test_errors_are_documents_in_json_mode(sandbox: Run, project: Path) -> None:
    """In json mode an error must be the one document on standard output, with its code, hint and details."""
    (project / "sandbox.toml").write_text(PROJECT + 'tarjet = "x"\n')

    for words in (("status", "-o", "json"), ("-o", "json", "status", "--bogus")):
        ran = sandbox(*words)
        assert ran.json["kind"] == "Error"
        assert set(ran.json["error"]) == {"code", "message", "why", "hint", "retryable", "details"}
        assert ran.err.startswith(f"error[{ran.json['error']['code']}]: ")


def test_unexpected_errors_name_a_file(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An error that nobody thought of must be one line and a file with the traceback, without one on the screen."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("mlsandbox.cli.config.config", lambda _project: 1 / 0)

    ran = sandbox("config")

    (report,) = (tmp_path / "state" / "log").iterdir()
    assert ran.code == 1
    assert ran.err.startswith("error[UNEXPECTED]: ")
    assert str(report) in ran.err
    assert "Traceback" not in ran.err
    assert "ZeroDivisionError" in report.read_text()
    assert oct(report.stat().st_mode & 0o077) == "0o0" or os.name == "nt"


def _failing(error: OSError) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "error[DISK_FULL]: the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/mnt/x"), "error[ACCESS_DENIED]: /mnt/x may not be used"),
        (PermissionError(errno.EACCES, "Permission denied", "/mnt/x"), "ls -ld '/mnt/x'"),
    ],
)
def test_what_the_system_refuses(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str) -> None:
    """A full disk and a missing right must be errors with a remedy, not reports of a mistake of ours."""
    monkeypatch.setattr("mlsandbox.cli.config.config", _failing(error))

    ran = sandbox("config")

    assert ran.code == 4
    assert said in ran.err


def test_no_crash_report_can_be_written(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the report of an unexpected error cannot be written, the error must still be told in a line."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("mlsandbox.cli.config.config", lambda _project: 1 / 0)

    ran = sandbox("config")

    assert ran.code == 1
    assert "could not be written down" in ran.err


def test_debug_shows_the_traceback(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --debug an unexpected error must be raised as it is."""
    monkeypatch.setattr("mlsandbox.cli.config.config", lambda _project: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        sandbox("config", "--debug")


def test_crash_reports_hold_no_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in a URL must not reach a crash report."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path))

    path = crash_report.write_crash_report(ValueError("https://me:secret@example.com/simple"), ["up"])

    assert "secret" not in path.read_text()


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_every_command_has_help(sandbox: Run, name: str) -> None:
    """Each command's help must be on standard output, lead with examples of itself, and be plain."""
    ran = sandbox(name, "-h")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.index(f"$ sandbox {name}") < ran.out.index("Usage:") if name not in ("env", "completion") else "$ " in ran.out
    assert "\x1b" not in ran.out
    assert sandbox("help", name).out.splitlines()[0] == ran.out.splitlines()[0]


def test_topics_cover_every_error(sandbox: Run) -> None:
    """Each error code must have a page, and the exit codes a table that names it."""
    table = sandbox("help", "exit-codes").out

    for error in topics.error_types():
        assert issubclass(error, SandboxError)
        assert error.code in table
        assert str(int(error.exit)) in sandbox("help", error.code).out


def test_without_a_project(sandbox: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that needs a project must say so, and doctor must work without one."""
    monkeypatch.chdir(tmp_path)

    assert (sandbox("config").code, sandbox("status", "-C", "gone").code) == (2, 2)
    assert "error[PROJECT_NOT_FOUND]" in sandbox("config").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(sandbox: Run, shell: str) -> None:
    """The completion script of each shell must ask this command."""
    assert "_SANDBOX_COMPLETE" in sandbox("completion", shell).out
