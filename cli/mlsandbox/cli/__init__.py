"""The `sandbox` command. `main` is the one error boundary: below it errors are raised, here they become words and exit codes."""
# ruff: noqa: PLC0415 - importing this package must not cost what Typer and the commands cost

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mlsandbox.errors import Exit, SandboxError, UsageError

if TYPE_CHECKING:
    from mlsandbox.cli.session import Session

COMPLETE_VARIABLE: Final = "_SANDBOX_COMPLETE"


def main(args: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `args` are the words after `sandbox`, None: those of this process."""
    from mlsandbox.cli import early, interrupts

    interrupts.install()
    words = list(sys.argv[1:] if args is None else args)
    session = early.session(words)
    try:
        return _run(words, session)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`sandbox logs | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    finally:
        session.close()


def _run(words: list[str], session: Session) -> int:
    """Run the command; whatever goes wrong is told and becomes an exit code."""
    try:
        return _invoke(words, session)
    except SandboxError as error:
        return _tell(error, session)
    except BrokenPipeError:
        raise
    except Exception as error:
        if session.debug:
            raise
        from mlsandbox.crash_report import explained

        return _tell(explained(error, words), session)


def _invoke(words: list[str], session: Session) -> int:
    from typer import TyperException

    from mlsandbox.cli.app import root

    if COMPLETE_VARIABLE in os.environ:
        from mlsandbox.cli.completion import prepare

        prepare()
    try:
        return int(root().main(words, prog_name="sandbox", complete_var=COMPLETE_VARIABLE, standalone_mode=False, obj=session) or 0)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        usage = context.get_usage().strip() if context is not None else ""
        command = context.command_path if context is not None else "sandbox"
        raise UsageError(error.format_message().replace("Value error, ", "").rstrip("."), why=usage, fix=f"{command} --help") from error


def _tell(error: SandboxError, session: Session) -> int:
    session.close()
    with suppress(BrokenPipeError):
        session.output.error(error)
    return error.exit
