"""A package on a volume: `python -m mlsandbox_serving.deliver fill|verify BENTO TARGET`, in the container of a model's image.

`fill` copies the image's bento to TARGET: into a folder beside it, which gets its name when all is there. It may be ended at any time
and started again, also twice at once; what is there already is left alone. `verify` waits for TARGET, and hashes all of it.

What is expected comes from the image, which its digest pins, never from the volume. Nothing that differs is repaired: pods may be
reading it. Exit codes: 0 it is there and is what was packaged, 1 not done, another try may help, 3 no other try will help.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlsandbox_serving.contract import Deliver
from mlsandbox_serving.deliver_digests import changed_files, differing_files, expected_files, sha256

_log = logging.getLogger(__name__)
_PARTIAL: Final = ".partial"
"""Ends the name of the folder that is being filled."""
_PART: Final = ".part-"
"""Before who writes it: a file that is being copied. It lies beside the folder: one that got its name meanwhile stays as it is."""
_CHUNK: Final = 1 << 20
_PAUSE_SECONDS: Final = 2.0
_SHOWN: Final = 10
"""Names of files in a message at most."""


class Tampered(Exception):
    """Files are not what was packaged; the text names them."""


class NotThere(Exception):
    """Nobody has filled the folder yet."""


def fill(bento: Path, target: Path) -> bool:
    """Bring a bento to a folder, whole or not at all; whether there was anything to do.

    Args:
        bento: the bento's folder in the image.
        target: the folder that is to be it; nothing else writes there.

    Raises:
        Tampered: the image's files, or those that are there already, are not what was packaged.
        OSError, ValueError, KeyError: the volume cannot be written, or it is no bento.
    """
    if wrong := changed_files(bento):
        raise Tampered(f"the image's own {_told(wrong)} not what package.json says: build and push the image again")
    expected = expected_files(bento)
    if target.exists():
        _compare(target, expected)
        return False
    partial = target.with_name(f"{target.name}{_PARTIAL}")
    partial.mkdir(parents=True, exist_ok=True)
    partial.chmod(0o755)
    mine = target.with_name(f"{target.name}{_PART}{os.uname().nodename}-{os.getpid()}")
    for path, digest in expected.items():
        _bring(bento / path, partial / path, digest, top=partial, by_way_of=mine)
    for stray in set(differing_files(partial, {})) - expected.keys():
        (partial / stray).unlink(missing_ok=True)
    try:
        partial.rename(target)
    except OSError:
        if not target.exists():
            raise
        _compare(target, expected)  # another one was first
        shutil.rmtree(partial, ignore_errors=True)
        return False
    _sync(target.parent)
    for left in target.parent.glob(f"{target.name}{_PART}*"):  # of tries that were ended
        left.unlink(missing_ok=True)
    return True


def verify(bento: Path, target: Path, *, wait_seconds: float = 0.0, pause: Callable[[float], None] = time.sleep) -> int:
    """Wait for a folder, and compare all of it with the image's bento; how many files it has.

    Raises:
        NotThere: it is not there in time.
        Tampered: its files are not what was packaged.
        OSError, ValueError, KeyError: it cannot be read, or the image has no bento.
    """
    waited = 0.0
    while not target.is_dir():
        if waited >= wait_seconds:
            raise NotThere(f"{target} is not there after {waited:.0f} seconds: look at the Job that fills it: kubectl get jobs,pods")
        if waited == 0.0:
            _log.info("%s is not there yet: waiting for the Job that fills it", target)
        pause(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
    expected = expected_files(bento)
    _compare(target, expected)
    return len(expected)


def main(arguments: Sequence[str]) -> int:
    """Do one of the two, and say what came of it; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m mlsandbox_serving.deliver", description="A package on a volume.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("fill", "copy it there"), ("verify", "compare what is there")):
        command = commands.add_parser(name, help=told)
        command.add_argument("bento", type=Path, help="the bento of the image")
        command.add_argument("target", type=Path, help="the folder on the volume")
        if name == "verify":
            command.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long it may take to be there")
    given = parser.parse_args(arguments)
    try:
        if given.command == "verify":
            _log.info("%s is what was packaged: %d files", given.target, verify(given.bento, given.target, wait_seconds=given.wait))
        elif fill(given.bento, given.target):
            _log.info("%s is filled", given.target)
        else:
            _log.info("%s is there already, and is what was packaged", given.target)
    except Tampered as error:
        _log.error("%s", error)
        return Deliver.TAMPERED
    except NotThere as error:
        _log.error("%s", error)
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.error("%s could not be delivered to %s: %s: %s", given.bento, given.target, type(error).__name__, error)
        return 1
    return 0


def _compare(target: Path, expected: Mapping[str, str]) -> None:
    if wrong := differing_files(target, expected):
        raise Tampered(
            f"in {target} {_told(wrong)} not what was packaged (changed, missing or added). Nothing was changed. "
            f"Find out who writes to the volume; then remove that folder from it and let the Job fill it again"
        )


def _bring(source: Path, place: Path, digest: str, *, top: Path, by_way_of: Path) -> None:
    """Copy one file, unless it is there; its digest is taken from what is read."""
    with contextlib.suppress(OSError):
        if not place.is_symlink() and sha256(place) == digest:
            return  # of a try before this one
    _make_folder(place.parent, top)
    read = hashlib.sha256()
    with source.open("rb") as opened, by_way_of.open("wb") as written:
        while chunk := opened.read(_CHUNK):
            read.update(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    if read.hexdigest() != digest:
        by_way_of.unlink()
        raise Tampered(f"{source} changed while it was read")
    by_way_of.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)  # for whoever serves it, whatever the umask
    by_way_of.replace(place)
    _sync(place.parent)


def _make_folder(folder: Path, top: Path) -> None:
    if folder != top and not folder.is_dir():
        _make_folder(folder.parent, top)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _sync(folder: Path) -> None:
    """Names outlive a loss of power; storage that cannot promise it for folders is let be."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _told(wrong: Sequence[str]) -> str:
    names = ", ".join(wrong[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"{names}{more} {'is' if len(wrong) == 1 else 'are'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
