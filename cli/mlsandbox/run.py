"""The only place of the host tool that runs other programs (services are the supervisor's).

A command is an argv list, never a shell string. It is echoed in a form that can be pasted, its output is captured, and it never
outlives us: killed -9 we take it along (the guard), interrupted or terminated we end its whole process group.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from mlsandbox.errors import CommandFailed, ProgramMissing

GRACE_SECONDS: Final = 5.0
"""How long a command may take to end after TERM before it is killed."""
_TAIL_LINES: Final = 20
_KEPT_LINES: Final = 200
"""Of the standard error of a command without end."""
_MEANWHILE_SECONDS: Final = 0.25
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)[^/\s]+(?=@)")

_echo: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command wrote, and its exit code (0 unless it was run with `check=False`)."""

    stdout: str
    stderr: str
    returncode: int = 0


class Commands:
    """The commands that threads run, so that another thread can end them all: an interrupt reaches the main thread alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[str]] = []
        self._ended = False

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """What this thread runs inside belongs to them."""
        token = _commands.set(self)
        try:
            yield
        finally:
            _commands.reset(token)

    def end(self) -> None:
        """End those that run; one that is about to begin fails."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in running:
                if process.poll() is None:
                    _signal_group(process, number)
            deadline = time.monotonic() + GRACE_SECONDS
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0.0))

    def begin(self, start: Callable[[], subprocess.Popen[str]]) -> subprocess.Popen[str]:
        """A process that belongs to them.

        Raises:
            CommandFailed: they were ended.
        """
        with self._lock:
            if self._ended:
                raise CommandFailed("the command was not begun", why="the work that it belongs to was ended", fix="begin again: sandbox up")
            self._running = [each for each in self._running if each.poll() is None]
            process = start()
            self._running.append(process)
        return process


_commands: ContextVar[Commands | None] = ContextVar("commands", default=None)


def set_echo(echo: Callable[[str], None] | None) -> None:
    """Show every command before it runs, as a line that can be pasted into a shell; `None` shows nothing (the default)."""
    global _echo  # noqa: PLW0603 - one program, one terminal: the command line sets it once
    _echo = echo


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    input: str | None = None,  # noqa: A002 - the name that subprocess.run taught everybody
    timeout: float | None = None,
    what: str = "",
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Completed:
    """Run a command to its end and return what it wrote.

    Args:
        argv: the program (looked up on PATH) and its arguments.
        env: changes to our own environment; `None` as a value removes a variable.
        cwd: where it runs; default: where we run.
        input: what it reads on standard input; default: nothing.
        timeout: seconds after which it is ended.
        what: what it is run for, for the error message ("locking the environment of churn").
        check: whether an exit code other than 0 is an error.
        on_line: called with each line of standard error as soon as it is written (progress).
        meanwhile: called again and again while it runs, not together with `on_line`; what it raises ends the command, and is raised.

    Raises:
        ProgramMissing: the program is not on PATH.
        CommandFailed: exit code other than 0, or out of time; `details` holds argv, returncode and stderr.
    """
    words, full_env = _prepared(argv, env, cwd, what)
    with _terminate_as_exception(), _started(words, full_env, cwd, reads=input is not None) as process:
        try:
            if meanwhile is None:
                stdout, stderr = _communicate(process, input, timeout, on_line)
            else:
                stdout, stderr = _communicate_meanwhile(process, input, timeout, meanwhile)
        except subprocess.TimeoutExpired as error:
            _end_group(process)
            _fail(words, None, error.stderr or "", what=what, problem=f"not done within {timeout:g} s")
        except BaseException:
            _end_group(process)
            raise
    if check and process.returncode != 0:
        _fail(words, process.returncode, stderr or stdout, what=what, problem=f"exit code {process.returncode}")
    return Completed(stdout, stderr, process.returncode)


def stream(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    input: str | None = None,  # noqa: A002 - as in `run`
    what: str = "",
) -> Iterator[str]:
    """Run a command and give the lines of its standard output as they come; who closes the iterator ends the command.

    Args:
        argv: the program (looked up on PATH) and its arguments.
        env: changes to our own environment; `None` as a value removes a variable.
        cwd: where it runs; default: where we run.
        input: what it reads on standard input, which then stays open for as long as its lines are wanted; default: nothing.
        what: what it is run for, for the error message.

    Raises:
        ProgramMissing: the program is not on PATH.
        CommandFailed: it ended with another exit code than 0; `details` holds argv, returncode and the end of stderr.
    """
    words, full_env = _prepared(argv, env, cwd, what)
    with _started(words, full_env, cwd, reads=input is not None) as process, _listened(process) as complaints:
        if input is not None:
            _tell(process, input)
        while line := _next_line(process):
            yield line.rstrip("\n")
        process.wait()
    if process.returncode != 0:
        _fail(words, process.returncode, "".join(complaints), what=what, problem=f"exit code {process.returncode}")


def converse(
    argv: Sequence[str | Path], requests: Iterable[str], *, env: Mapping[str, str | None] | None = None, cwd: Path | None = None, what: str
) -> Iterator[str]:
    """Run a command that answers each line with one line; the next request is asked for when the one before it was answered.

    Arguments and errors are those of `stream`; that it ended before it answered is one, whatever its exit code.
    """
    words, full_env = _prepared(argv, env, cwd, what)
    with _started(words, full_env, cwd, reads=True) as process, _listened(process) as complaints:
        for request in requests:
            _tell(process, f"{request}\n")
            line = _next_line(process)
            if not line:
                process.wait()
                break
            yield line.rstrip("\n")
        else:
            return
    _fail(words, process.returncode, "".join(complaints), what=what, problem=f"it ended without an answer, exit code {process.returncode}")


def pasteable(argv: Sequence[str], *, env: Mapping[str, str | None] | None = None, cwd: Path | None = None) -> str:
    """The command as one line for a POSIX shell, with the variables that differ from ours; passwords in URLs are masked."""
    changes = {name: value for name, value in (env or {}).items() if os.environ.get(name) != value}
    removed = [word for name, value in changes.items() if value is None for word in ("-u", name)]
    settings = [f"{name}={value}" for name, value in changes.items() if value is not None]
    prefix = ["env", *removed] if removed else []
    assignments = " ".join(f"{name}={shlex.quote(value)}" for name, _, value in (setting.partition("=") for setting in settings))
    line = " ".join(part for part in (shlex.join(prefix), assignments, shlex.join(argv)) if part)
    return mask_passwords(f"cd {shlex.quote(str(cwd))} && {line}" if cwd else line)


def mask_passwords(text: str) -> str:
    """`text` without the user and password part of any URL."""
    return _PASSWORD_IN_URL.sub("***", text)


def _prepared(
    argv: Sequence[str | Path], env: Mapping[str, str | None] | None, cwd: Path | None, what: str
) -> tuple[list[str], dict[str, str]]:
    """The command's words and its whole environment, once its program was found and it was echoed."""
    words = [str(word) for word in argv]
    full_env = _environment(env)
    if shutil.which(words[0], path=full_env.get("PATH")) is None:
        raise ProgramMissing(f"{words[0]} was not found", why=what, fix=f"install it, or add its folder to PATH: {words[0]}")
    if _echo:
        _echo(pasteable(words, env=env, cwd=cwd))
    return words, full_env


def _started(words: list[str], full_env: Mapping[str, str], cwd: Path | None, *, reads: bool) -> subprocess.Popen[str]:
    """The command in its own session: a Ctrl-C at the terminal reaches us alone, and we end the whole group, grandchildren included."""
    from mlsandbox.supervise.guard import guard_argv  # noqa: PLC0415 - nothing of the supervisor is needed to print help

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            guard_argv(words),
            env=full_env,
            cwd=cwd,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    commands = _commands.get()
    return start() if commands is None else commands.begin(start)


@contextlib.contextmanager
def _listened(process: subprocess.Popen[str]) -> Iterator[deque[str]]:
    """The end of what a command complains of; at the end of the block it is over."""
    complaints: deque[str] = deque(maxlen=_KEPT_LINES)
    listener = threading.Thread(target=lambda: complaints.extend(process.stderr or ()), daemon=True)
    listener.start()
    try:
        yield complaints
    finally:
        if process.poll() is None:
            _end_group(process)
        listener.join(GRACE_SECONDS)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it may have ended without reading all
                process.stdin.close()


def _tell(process: subprocess.Popen[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.write(text)
            process.stdin.flush()


def _next_line(process: subprocess.Popen[str]) -> str:
    """The next line of standard output, "" at its end."""
    with _terminate_as_exception():
        try:
            return process.stdout.readline() if process.stdout is not None else ""
        except BaseException:
            _end_group(process)
            raise


def _environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    merged: dict[str, str | None] = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


def _communicate(
    process: subprocess.Popen[str], text: str | None, timeout: float | None, on_line: Callable[[str], None] | None
) -> tuple[str, str]:
    """Feed and drain the process; with `on_line`, its lines of standard error are handed over as they come."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if on_line is None or stdout is None or stderr is None:
        return process.communicate(text, timeout=timeout)
    out: list[str] = []
    err: list[str] = []
    late = threading.Event()

    def end_late() -> None:
        late.set()
        _signal_group(process, signal.SIGKILL)

    reader = threading.Thread(target=lambda: out.append(stdout.read()), daemon=True)
    reader.start()
    watchdog = threading.Timer(timeout or threading.TIMEOUT_MAX, end_late)
    watchdog.daemon = True
    watchdog.start()
    try:
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError), stdin:
                stdin.write(text or "")
        for line in stderr:
            err.append(line)
            on_line(line.rstrip("\n"))
        reader.join()
        process.wait()
    finally:
        watchdog.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout or 0.0, stderr="".join(err).encode())
    return "".join(out), "".join(err)


def _communicate_meanwhile(
    process: subprocess.Popen[str], text: str | None, timeout: float | None, meanwhile: Callable[[], None]
) -> tuple[str, str]:
    deadline = time.monotonic() + (timeout or threading.TIMEOUT_MAX)
    while True:
        try:
            return process.communicate(text, timeout=_MEANWHILE_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
            meanwhile()
            text = None  # it is being fed


def _fail(argv: list[str], returncode: int | None, output: str | bytes, *, what: str, problem: str) -> NoReturn:
    text = mask_passwords(output.decode(errors="replace") if isinstance(output, bytes) else output)
    tail = "\n".join(text.strip().splitlines()[-_TAIL_LINES:])
    command = pasteable(argv)
    raise CommandFailed(
        f"{what or Path(argv[0]).name} failed",
        why=f"{problem}\n{tail}".strip(),
        fix=f"run it by hand to see more: {command}",
        details={"argv": [mask_passwords(word) for word in argv], "returncode": returncode, "stderr": text},
    )


def _end_group(process: subprocess.Popen[str]) -> None:
    """TERM, wait, KILL to everything the command started."""
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        _signal_group(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class _Terminated(BaseException):
    """SIGTERM arrived while a command ran."""


@contextlib.contextmanager
def _terminate_as_exception() -> Iterator[None]:
    """Turn SIGTERM into an exception while a command runs, so that the command ends first; then end by the signal after all.

    Only where nobody handles SIGTERM already, and only in the main thread: Python allows handlers nowhere else.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def on_term(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminated

    signal.signal(signal.SIGTERM, on_term)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
