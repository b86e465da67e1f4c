"""A real image registry on loopback, for pulls."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.bento import free_port
from support.waiting import HANG_SECONDS, wait_for

PROGRAM = "docker-registry"
_SETTINGS = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{address}"}}
"""
_CLOSED = "auth: {{htpasswd: {{realm: test, path: {folder}/nobody}}}}\n"


def is_installed() -> bool:
    """Whether this machine has the program."""
    return shutil.which(PROGRAM) is not None


@contextmanager
def registry(folder: Path, *, closed: bool = False) -> Iterator[str]:
    """A registry's address, "127.0.0.1:PORT".

    Args:
        folder: where its images lie; shared by registries that are to have the same ones.
        closed: nobody may read from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    (folder / "nobody").touch()
    settings = folder / f"{address}.yml"
    settings.write_text((_SETTINGS + (_CLOSED if closed else "")).format(folder=folder, address=address))
    with (folder / f"{address}.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(settings)], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: _answers(address), what=f"a registry at {address}")
        yield address
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=30).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
