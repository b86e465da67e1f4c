"""Two stacks of one name would take each other's containers."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.errors import StackNameTaken


def refuse_strangers(daemon: Daemon, project: str, folder: Path) -> None:
    """Find out whether a stack's name is free, or this project's.

    Args:
        daemon: of the project.
        project: Compose's name of the stack.
        folder: where the project's own is made from.

    Raises:
        StackNameTaken: another project's stack has it.
    """
    other = daemon.stranger(project, str(folder))
    if other is None:
        return
    there = other and Path(other, "sandbox.toml").is_file()
    stop = f"sandbox down -C {quote(other)}" if there else f"docker compose -p {project} down"
    raise StackNameTaken(
        f"another stack of this machine's Docker is named {project}",
        why=f"It belongs to {other or 'somebody else'}: two stacks of one name would take each other's containers.",
        fix=f'give this one another name: name = "…" in sandbox.toml   or stop the other: {stop}',
        details={"name": project, "folder": other},
    )
