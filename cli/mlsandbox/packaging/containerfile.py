"""From the instructions that BentoML writes for a bento's image to those that are built (pure).

What changes: the base image; packages come from the bento's lock alone, with hashes, by way of what this machine's pip and uv are
set to (handed in as build secrets, so that no layer and no history holds an address or a password); and what a container with a
read-only root needs. BentoML's own lines are expected word for word: when a line is missing, this is not the version that we know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsandbox.errors import ImageBuildFailed

USER: Final = "bentoml"
"""Who runs in a model's image."""
_UID: Final = 1034
"""The same as a number: only so can an orchestrator tell that it is not root."""
DATA_FOLDERS: Final = ("/var/lib/sandbox/spool", "/var/lib/sandbox/metrics", "/var/lib/sandbox/log-store")
"""Where volumes are mounted: a new volume takes its owner from the image."""
_BENTOML_FOLDERS: Final = tuple(f"/home/{USER}/{name}" for name in ("bentos", "models", "envs", "tmp"))
"""BentoML makes them when it starts, which a read-only root does not allow."""
_OPEN: Final = r"find $BENTO_PATH \( -not -perm -a+r -o -type d -not -perm -a+x \) -exec chmod a+rX {} +"
"""Lets every user read the package: a cluster runs the image as a user of its own. Nothing that is readable is touched, for that would
be stored a second time."""
CERTIFICATES: Final = "certificates"
"""Folder of the build context: further authorities, or nothing."""
UV_LOCK: Final = "env/docker/uv.txt"
"""uv with its hashes, for base images without it."""
WHEELS: Final = "wheels"
"""Name of a second build context: distributions that only this machine has."""
CACHE: Final = "/var/cache/sandbox"
"""Where a build keeps distributions for the next one; no part of the image."""
SECRETS: Final = ("install", "authorities", "client", "netrc", "uv-toml")
"""Build secrets; all but the first may be absent."""

_AUTHORITIES: Final = "/usr/local/share/ca-certificates/sandbox"
_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
_MOUNTS: Final = " ".join(f"--mount=type=secret,id={name}" for name in SECRETS)
_USE_SETTINGS: Final = ". /run/secrets/install;"


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change: the lines that BentoML writes, and what is built instead."""

    what: str
    lines: re.Pattern[str]
    instead: str


def adapt(instructions: str, *, base: str, authorities: bool) -> str:
    """BentoML's instructions, changed.

    Args:
        instructions: the text of its Dockerfile.
        base: the image to build on.
        authorities: whether the context holds further certificates of authorities, which containers are to trust too.

    Raises:
        ImageBuildFailed: a line that is to be changed is not there.
    """
    for edit in _edits(base, authorities=authorities):
        instructions, count = edit.lines.subn(edit.instead.replace("\\", r"\\"), instructions)
        if count != 1:
            raise ImageBuildFailed(
                f"BentoML's instructions for the image are not as expected: {edit.what} is there {count} times instead of once",
                why=f"looked for: {edit.lines.pattern}",
                fix="package the model with the BentoML that this version pins: rm -r .sandbox/bentoml && sandbox up",
            )
    return instructions.strip() + "\n"


def requirements(lock: str) -> str:
    """A lock without its comments: models with the same packages then share the layer that holds them."""
    return "".join(f"{line}\n" for line in lock.splitlines() if line.strip() and not line.startswith("#"))


def _edits(base: str, *, authorities: bool) -> tuple[_Edit, ...]:
    folders = " ".join((*DATA_FOLDERS, *_BENTOML_FOLDERS))
    trust = (
        f"\nCOPY {CERTIFICATES} {_AUTHORITIES}\nRUN update-ca-certificates\nENV SSL_CERT_FILE={_BUNDLE} REQUESTS_CA_BUNDLE={_BUNDLE}\n"
        if authorities
        else ""
    )
    return (
        _edit("the frontend", r"^# syntax = docker/dockerfile\S*$", ""),  # an image that would have to be pulled
        _edit("the base image", r"^FROM \S+ AS base-container$", f"FROM {base} AS base-container{trust}"),
        _edit(
            "installing uv",
            r"^RUN +command -v uv >/dev/null \|\| pip install uv$",
            f"RUN {_MOUNTS} command -v uv >/dev/null || \\\n"
            f"    {{ {_USE_SETTINGS} python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r {UV_LOCK}; }}",
        ),
        _edit(
            "making the environment",
            r"^RUN +UV_PYTHON_INSTALL_DIR=/app/python/ uv venv --python (?=\S+ /app/\.venv && \\$)",
            "RUN UV_PYTHON_DOWNLOADS=never uv venv --python ",
        ),
        _edit(
            "mounts of the installation",
            r"^RUN +--mount=type=cache,sharing=locked,target=\S+/\.cache/ if \[ -d \./src \]; \\$",
            f"RUN --mount=type=cache,sharing=locked,target={CACHE} --mount=type=bind,from={WHEELS},target=/run/{WHEELS} \\\n"
            f"    {_MOUNTS} \\\n    {_USE_SETTINGS} if [ -d ./src ]; \\",
        ),
        _edit(
            "the installation",
            r"uv --directory \$INSTALL_ROOT pip install -r \$BENTO_PATH/env/python/requirements\.txt$",
            "uv --directory $INSTALL_ROOT pip install --require-hashes $SANDBOX_UV_FLAGS -r $BENTO_PATH/env/python/requirements.txt",
        ),
        _edit(
            "the user",
            rf"^USER {USER}$",
            f"RUN {_OPEN}\n\nRUN mkdir -p {folders} && chown -R {USER}:{USER} {folders}\n\nUSER {_UID}:{_UID}",
        ),
    )


def _edit(what: str, lines: str, instead: str) -> _Edit:
    return _Edit(what, re.compile(lines, re.MULTILINE), instead)
