"""Resolve requirements/*.txt anew from the groups of pyproject.toml: `make lock`, `make lock UPGRADE=--upgrade`.

One lock holds for Python 3.11 to 3.13 on Linux and macOS, with the hash of every file and without any address.
The smaller locks are constrained by the big one, so that all of them agree on every version; but for those of other people's clients
and of what judges manifests, which have environments of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlsandbox.packaging.pip_settings import uv_settings

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
UNIVERSAL = ("--universal", "--python-version=3.11", "--generate-hashes")
TEXT = ("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate")
ALL = ("served", "example", "installer", "build", "frameworks", "tests", "lint")


def compile_lock(name: str, groups: tuple[str, ...], *more: str) -> None:
    """Write requirements/`name` from dependency groups of pyproject.toml and what `more` says to uv."""
    settings = uv_settings()
    chosen = [f"--group={group}" for group in groups]
    command = [
        str(UV),
        "pip",
        "compile",
        *UNIVERSAL,
        *TEXT,
        *chosen,
        *more,
        *settings.flags,
        "--output-file",
        f"requirements/{name}",
        "--quiet",
    ]
    print("$ " + " ".join(command))
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings.env}, check=True)


def main(extra: list[str]) -> None:
    compile_lock("test.txt", ALL, "pyproject.toml", *extra)
    compile_lock("demo.txt", ("installer", "build", "example"), "pyproject.toml", "--constraint=requirements/test.txt")
    compile_lock("uv.txt", ("installer",), "--constraint=requirements/test.txt")
    compile_lock("clients.txt", ("clients",))
    compile_lock("manifests.txt", ("manifests",))


if __name__ == "__main__":
    main(sys.argv[1:])
