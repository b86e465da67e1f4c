"""The pages of `sandbox help TOPIC`: exit codes, configuration, environment variables, components, and one per alert and error code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from mlsandbox.errors import Exit, SandboxError

_EXITS: Final = {
    Exit.OK: "done, or nothing to do",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command line or the configuration is wrong",
    Exit.BAD_FINDING: "the command worked, and what it found is bad (status: not healthy, doctor: a problem, drift --fail-on-drift:\n"
    "       drift, where: another version answers than the ledger says, ledger verify: the ledger was changed, replay: an answer\n"
    "       differs or an event was changed, diff --fail-over: the versions differ in more rows, promote --gate: it is not passed,\n"
    "       export --check: files differ, export --prove: a cluster does not take it)",
    Exit.PREREQUISITE: "something that is needed is missing, or a pinned port is taken",
    Exit.NOT_READY: "not ready in time; left as it is, to be looked at",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
    Exit.TERMINATED: "stopped by SIGTERM",
}

ENVIRONMENT: Final = """\
Variables that sandbox reads. A flag wins over its variable, a variable over sandbox.toml.

Global options: SANDBOX_PROJECT, SANDBOX_OUTPUT, SANDBOX_JSON, SANDBOX_PROGRESS, SANDBOX_NO_COLOR, SANDBOX_QUIET,
  SANDBOX_DEBUG, SANDBOX_YES, SANDBOX_NO_INPUT, SANDBOX_DRY_RUN, SANDBOX_TIMEOUT, SANDBOX_ENGINE
Settings:       SANDBOX_ and the setting's path in capitals with _ for . and -, as in
                SANDBOX_LOG_RETENTION=1d, SANDBOX_STACK_PORTS_API=8000, SANDBOX_MODELS_CHURN_SERVING_WORKERS=2
Folders:        SANDBOX_CACHE_DIR (environments), SANDBOX_STATE_DIR (ports and stacks of this machine)
API key:        SANDBOX_API_KEY, of the requests that sandbox itself makes; else the first of the project's
Terminal:       NO_COLOR, FORCE_COLOR, TERM=dumb, CI (no animation)
Network:        those of pip and uv; nothing reaches the network but the making of an environment"""


def topics() -> dict[str, Callable[[], str]]:
    """Every topic, and what makes its page."""
    from mlsandbox.runbook import sections  # noqa: PLC0415 - only for help

    return {
        "exit-codes": exit_codes,
        "config": config,
        "environment": lambda: ENVIRONMENT,
        "components": components,
        **{name: partial("{}\n\n{}".format, name, text) for name, text in sections().items()},
        **{error.code: partial(_error_page, error) for error in error_types()},
    }


def exit_codes() -> str:
    """Exit codes and the error codes that end with each."""
    lines = ["Exit codes.", ""]
    for code, meaning in _EXITS.items():
        names = ", ".join(sorted(error.code for error in error_types() if error.exit == code))
        lines.append(f"  {int(code):>3}  {meaning}" + (f"\n       {names}" if names else ""))
    return "\n".join(lines)


def config() -> str:
    """Every setting with its default."""
    from mlsandbox.setting_docs import describe_settings  # noqa: PLC0415 - only for that topic

    lines = ["Settings of sandbox.toml (precedence: flag > SANDBOX_* variable > sandbox.toml > default).", ""]
    for each in describe_settings():
        reserved = " Reserved: no effect in this version." if each.reserved else ""
        lines.append(f"  {each.path}  (default: {each.default})" if each.default is not None else f"  {each.path}")
        lines.append(f"      {each.doc}{reserved}")
    return "\n".join(lines)


def components() -> str:
    """What an export to Kubernetes can have besides the models."""
    from mlsandbox.cli.component_page import component_page  # noqa: PLC0415 - brings the renderer along

    return component_page()


def error_types() -> tuple[type[SandboxError], ...]:
    """All errors a user can meet, by code."""
    return tuple(sorted(_subclasses(SandboxError), key=lambda error: error.code))


def _subclasses(of: type[SandboxError]) -> Iterator[type[SandboxError]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


def _error_page(error: type[SandboxError]) -> str:
    return f"{error.code} (exit code {int(error.exit)})\n\n{inspect.cleandoc(error.__doc__ or '')}"
