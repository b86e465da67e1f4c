"""Running programs: output, errors, and nothing left behind however we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest

from mlsandbox import run as runner
from mlsandbox.errors import CommandFailed, ProgramMissing
from mlsandbox.run import converse
from support.waiting import HANG_SECONDS, wait_for

SCRIPT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *args]


def test_output_is_captured() -> None:
    """A command's two outputs must come back separately."""
    done = runner.run(python("import sys; print('out'); print('err', file=sys.stderr); print(sys.stdin.read())"), input="in")
    assert done.stdout == "out\nin\n"
    assert done.stderr == "err\n"


def test_failure_names_the_command() -> None:
    """A failing command must raise an error with its exit code and the end of its output."""
    with pytest.raises(CommandFailed) as caught:
        runner.run(python("import sys; print('it broke', file=sys.stderr); sys.exit(7)"), what="the trial")
    assert caught.value.what == "the trial failed"
    assert "it broke" in caught.value.why
    assert caught.value.details["returncode"] == 7
    assert sys.executable in caught.value.fix


def test_failure_can_be_an_answer() -> None:
    """With check=False an exit code must be handed back instead of raised."""
    assert runner.run(python("raise SystemExit(3)"), check=False).returncode == 3


def test_missing_program() -> None:
    """A program that is not on PATH must be an error of its own."""
    with pytest.raises(ProgramMissing):
        runner.run(["no-such-program-of-ours"])


def test_environment_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables given must be set, and those given as None removed."""
    monkeypatch.setenv("SANDBOX_TRIAL_A", "a")
    code = "import os; print(os.environ.get('SANDBOX_TRIAL_A'), os.environ.get('SANDBOX_TRIAL_B'))"
    assert runner.run(python(code), env={"SANDBOX_TRIAL_A": None, "SANDBOX_TRIAL_B": "b"}).stdout == "None b\n"


def test_lines_arrive_while_it_runs() -> None:
    """Lines of standard error must reach the callback before the command has ended."""
    code = "import sys; print('one', file=sys.stderr, flush=True); sys.stdin.read(); print('two', file=sys.stderr)"
    lines: list[str] = []
    done = runner.run(python(code), on_line=lines.append, input="x")
    assert lines == ["one", "two"]
    assert done.stderr == "one\ntwo\n"


def test_what_is_done_meanwhile_may_end_the_command(tmp_path: Path) -> None:
    """While a command runs its caller must be able to look around, and to end it with all that it started."""
    pid_file = tmp_path / "pid"

    def look() -> None:
        if pid_file.exists() and pid_file.read_text():
            raise LookupError

    with pytest.raises(LookupError):
        runner.run(python(SCRIPT, str(pid_file)), meanwhile=look)

    grandchild = int(pid_file.read_text())
    wait_for(lambda: not psutil.pid_exists(grandchild), what="the command's child is gone")


@pytest.mark.parametrize("stream", [False, True])
def test_timeout_ends_the_command(*, stream: bool) -> None:
    """A command that takes too long must be ended and reported as such."""
    with pytest.raises(CommandFailed, match="the trial failed") as caught:
        runner.run(python("import time; time.sleep(600)"), timeout=0.5, what="the trial", on_line=(lambda _: None) if stream else None)
    assert "not done within 0.5 s" in caught.value.why


def test_echo_is_pasteable_and_hides_passwords() -> None:
    """What is echoed must run in a shell, and must not hold a password."""
    lines: list[str] = []
    runner.set_echo(lines.append)
    try:
        runner.run(["echo", "a b"], env={"SANDBOX_TRIAL_URL": "https://joe:secret@example.org/simple"}, cwd=Path("/"))
    finally:
        runner.set_echo(None)
    assert lines == ["cd / && SANDBOX_TRIAL_URL=https://***@example.org/simple echo 'a b'"]
    assert subprocess.run(lines[0], shell=True, check=True, capture_output=True, text=True).stdout == "a b\n"  # noqa: S602 - that is the point


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_with_us(tmp_path: Path, number: signal.Signals) -> None:
    """A command and what it started must be gone when we were interrupted or terminated."""
    marker = tmp_path / "pid"
    ours = _runner_process(marker)
    grandchild = int(wait_for(lambda: marker.read_text() if marker.exists() else None, what="the grandchild runs"))
    os.kill(ours.pid, number)
    assert ours.wait(HANG_SECONDS) == (-number if number == signal.SIGTERM else -signal.SIGINT)
    wait_for(lambda: _gone(grandchild), what="the grandchild is gone")


def test_killed_with_us(tmp_path: Path) -> None:
    """A command must be gone when we were killed -9."""
    marker = tmp_path / "pid"
    ours = _runner_process(marker)
    wait_for(lambda: marker.read_text() if marker.exists() else None, what="the grandchild runs")
    children = psutil.Process(ours.pid).children(recursive=True)
    command = next(child for child in children if child.ppid() == ours.pid)
    ours.kill()
    ours.wait(HANG_SECONDS)
    try:
        wait_for(lambda: _gone(command.pid), what="the command is gone")
    finally:
        for child in children:
            if not _gone(child.pid):
                child.kill()


def test_a_stream_gives_lines_as_they_come() -> None:
    """A line must be there before the command ends, and what it reads must stay open until its lines are no longer wanted."""
    code = "import sys; print(sys.stdin.readline().strip(), flush=True); sys.stdin.read(); print('never seen')"
    lines = runner.stream(python(code), input="one\n")
    assert next(lines) == "one"
    cast("Generator[str]", lines).close()


def test_a_stream_ends_with_the_command() -> None:
    """All lines must come, the last one without an end of line too; an environment and a folder must be the command's."""
    code = "import os; print(os.environ['SANDBOX_TRIAL_A']); print(os.getcwd(), end='')"
    assert list(runner.stream(python(code), env={"SANDBOX_TRIAL_A": "a"}, cwd=Path("/"))) == ["a", "/"]


def test_a_stream_that_is_no_longer_wanted_ends_the_command(tmp_path: Path) -> None:
    """Who closes the iterator must have ended the command, and what it started."""
    marker = tmp_path / "pid"
    lines = runner.stream([sys.executable, "-c", SCRIPT, str(marker)])
    grandchild = int(next(lines))
    cast("Generator[str]", lines).close()
    wait_for(lambda: _gone(grandchild), what="the grandchild is gone")


def test_a_stream_need_not_read() -> None:
    """A command that ends without reading what it was given must be no error."""
    assert list(runner.stream(python("print('one')"), input="x" * 1_000_000)) == ["one"]


def test_a_failing_stream_names_the_command() -> None:
    """The lines before the failure must come, and then an error with exit code and complaint."""
    lines = runner.stream(python("import sys; print('one'); print('it broke', file=sys.stderr); sys.exit(7)"), what="the trial")
    assert next(lines) == "one"
    with pytest.raises(CommandFailed, match="the trial failed") as caught:
        next(lines)
    assert caught.value.details["returncode"] == 7
    assert caught.value.details["stderr"] == "it broke\n"
    with pytest.raises(ProgramMissing):
        next(runner.stream(["no-such-program-of-ours"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_is_ended_with_us(tmp_path: Path, number: signal.Signals) -> None:
    """A streamed command must be gone when we were interrupted or terminated while we waited for its next line."""
    marker = tmp_path / "pid"
    ours = _runner_process(marker, "list(stream({}))")
    grandchild = int(wait_for(lambda: marker.read_text() if marker.exists() else None, what="the grandchild runs"))
    os.kill(ours.pid, number)
    assert ours.wait(HANG_SECONDS) == -number
    wait_for(lambda: _gone(grandchild), what="the grandchild is gone")


def _runner_process(marker: Path, call: str = "run({})") -> subprocess.Popen[bytes]:
    # Where a shell started the tests in the background, Ctrl-C is ignored by everything they start, unless it says otherwise.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"[sys.executable, '-c', {SCRIPT!r}, {str(marker)!r}]"
    code = f"{listen}; from mlsandbox.run import run, stream; import sys; {call.format(command)}"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_conversation_is_answered_line_by_line() -> None:
    """Each request must be told only when the one before it was answered, however long both are, and the program end with the last."""
    told: list[int] = []

    def requests() -> Iterator[str]:
        for number in range(3):
            told.append(number)
            yield "x" * 200_000

    answers = converse(
        [sys.executable, "-c", "import sys\nfor line in sys.stdin: print(line.strip() + 'y', flush=True)"], requests(), what=""
    )

    assert len(next(answers)) == 200_001
    assert told == [0]
    assert len(list(answers)) == 2


def test_a_conversation_that_ends_early_fails() -> None:
    """A program that ends with a request unanswered must be named with what it complained of, even with exit code 0."""
    program = "import sys\nprint(input())\nsys.stderr.write('enough')"

    with pytest.raises(CommandFailed) as caught:
        list(converse([sys.executable, "-c", program], ["1", "2"], what="asking"))

    assert "asking failed" in caught.value.what
    assert "enough" in caught.value.why
