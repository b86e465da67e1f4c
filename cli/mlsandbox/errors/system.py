"""This machine: its disks, its files, other commands at work on them."""

from __future__ import annotations

import errno

from mlsandbox.errors.base import Exit, SandboxError


class StateTooNew(SandboxError):
    """The project's state, or what an export remembers in its folder, was written by a later version."""

    code = "STATE_TOO_NEW"
    exit = Exit.PREREQUISITE


class ProjectBusy(SandboxError):
    """Another command is at work on the project; `details` holds its pid and command."""

    code = "PROJECT_BUSY"


class AssetsMissing(SandboxError):
    """A file that belongs to this program is not where it was installed."""

    code = "ASSETS_MISSING"


class DiskFull(SandboxError):
    """A disk, or a quota on it, has no room left."""

    code = "DISK_FULL"
    exit = Exit.PREREQUISITE


class AccessDenied(SandboxError):
    """A file or folder may not be read or written."""

    code = "ACCESS_DENIED"
    exit = Exit.PREREQUISITE


class FolderLinked(SandboxError):
    """`.sandbox` is or holds a symbolic link, which leads out of the project."""

    code = "FOLDER_LINKED"
    exit = Exit.USAGE


def of_system(error: OSError) -> SandboxError | None:
    """What the system refused, as far as its user can do something about it; None: more likely a mistake of ours."""
    path = error.filename2 or error.filename
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            "the disk is full" if path is None else f"the disk of {path} is full",
            why=str(error),
            fix="make room, then do the same again; sandbox doctor shows how much there is, sandbox down --volumes removes a stack's data",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} and path is not None:
        return AccessDenied(f"{path} may not be used", why=error.strerror or str(error), fix=f"look at who may: ls -ld '{path}'")
    return None
