"""How a build reaches packages: this machine's pip and uv settings, as secrets, variables and folders of one `docker build`.

A build runs in a container: it sees neither this machine's files nor, unless it is told to, its loopback address. Addresses and
passwords go in as secrets, which leave no trace in layers and history; the proxy goes in as predefined build arguments, which leave
none either; distributions that lie in a local folder go in when the lock names their hash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from mlsandbox.errors import ImageBuildFailed
from mlsandbox.packaging.containerfile import CACHE, WHEELS
from mlsandbox.packaging.pip_settings import UvSettings, read_pip_options, uv_settings

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_HANDED_OVER: Final = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|INDEX_STRATEGY|INSECURE_HOST|HTTP_TIMEOUT|REQUEST_TIMEOUT|HTTP_RETRIES"
    r"|NO_INDEX|INDEX_\w+_(USERNAME|PASSWORD))"
)
"""What decides from where and how packages come."""
_PIP: Final = ("index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout", "retries")
"""The same for pip, which fetches uv where the base image has none."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET_BYTES: Final = 500_000
"""BuildKit refuses larger ones."""


@dataclass(frozen=True, slots=True)
class BuildAccess:
    """What a build is handed.

    Args:
        variables: shell variables while packages are installed; may hold passwords: never print the values.
        files: secrets that are files: name -> this machine's file.
        links: local folders with distributions.
        proxies: predefined build arguments; may hold passwords too.
        network: of the build: "default", or "host" when an index or the proxy is on this machine's loopback address.
        notes: what does not reach the build, one sentence each.
    """

    variables: Mapping[str, str]
    files: Mapping[str, Path]
    links: tuple[Path, ...]
    proxies: Mapping[str, str]
    network: str
    notes: tuple[str, ...]


def build_access(proxy: str, environ: Mapping[str, str] | None = None) -> BuildAccess:
    """What builds on this machine are handed.

    Args:
        proxy: `stack.proxy`; empty: the usual variables decide, else pip's own setting.
        environ: default: our own environment.

    Raises:
        ImageBuildFailed: pip may install from a local folder only, and that is not enough for a build.
    """
    environ = os.environ if environ is None else environ
    settings = uv_settings(environ)
    merged = {**settings.env, **{name: value for name, value in environ.items() if value and _HANDED_OVER.fullmatch(name)}}
    variables = {name: value for name, value in merged.items() if _HANDED_OVER.fullmatch(name)}
    places = [place for place in variables.pop("UV_FIND_LINKS", "").split(",") if place]
    links, remote = _local(places)
    if remote:
        variables["UV_FIND_LINKS"] = ",".join(remote)
    variables |= {
        f"PIP_{name.upper().replace('-', '_')}": value for name, value in read_pip_options(environ).items() if name in _PIP and value
    }
    files = dict(_files(environ, settings))
    proxies = _proxies(proxy, environ, settings)
    addresses = [word for name, value in (*variables.items(), *proxies.items()) if name != "NO_PROXY" for word in value.split()]
    if settings.flags:
        variables["SANDBOX_UV_FLAGS"] = " ".join(settings.flags)
    return BuildAccess(
        variables=variables,
        files=files,
        links=links,
        proxies=proxies,
        network="host" if any(_is_here(word) for word in addresses) else "default",
        notes=tuple(_notes(variables, settings)),
    )


def write_secrets(access: BuildAccess, folder: Path, *, authorities: Path | None) -> list[str]:
    """Write the secrets of a build to a private folder, and return docker's arguments for them.

    Args:
        access: what is handed over.
        folder: new, and readable by us alone.
        authorities: `stack.ca`: trusted besides what pip is set to.
    """
    variables = {**access.variables, "UV_LINK_MODE": "copy", "UV_CACHE_DIR": f"{CACHE}/uv"}
    files = dict(access.files)
    own = files.get("authorities")
    if own is not None:
        together = folder / "authorities.pem"
        together.write_bytes(b"\n".join(path.read_bytes() for path in (own, authorities) if path is not None))
        files["authorities"] = together
        variables |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/run/secrets/authorities")
    elif authorities is not None:
        variables |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/etc/ssl/certs/ca-certificates.crt")
    if "client" in files:
        variables |= {"SSL_CLIENT_CERT": "/run/secrets/client", "PIP_CLIENT_CERT": "/run/secrets/client"}
    if "netrc" in files:
        variables["NETRC"] = "/run/secrets/netrc"
    if "uv-toml" in files:
        variables["UV_CONFIG_FILE"] = "/run/secrets/uv-toml"
    if access.links:
        variables["UV_FIND_LINKS"] = ",".join(part for part in (variables.get("UV_FIND_LINKS", ""), f"/run/{WHEELS}") if part)
    install = folder / "install"
    install.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())), encoding="utf-8")
    install.chmod(0o600)
    return [word for name, path in {"install": install, **files}.items() for word in ("--secret", f'id={name},"src={_quoted(path)}"')]


def _quoted(path: Path) -> str:
    """For a field of CSV, which is what these arguments are: a folder may have a comma in its name."""
    return str(path).replace('"', '""')


def copy_wheels(access: BuildAccess, lock: str, target: Path) -> None:
    """Make `target` with the distributions of local folders that the lock names by their hash; often none."""
    target.mkdir()
    for file in _distributions(access.links):
        name = re.split(r"-\d", file.name, maxsplit=1)[0]
        pattern = "[-_.]+".join(re.escape(part) for part in re.split(r"[-_.]+", name))
        if re.search(rf"^{pattern}(\[[^]]*\])?==", lock, re.MULTILINE | re.IGNORECASE) and _hash(file) in lock:
            try:
                os.link(file, target / file.name)
            except OSError:  # another disk
                shutil.copyfile(file, target / file.name)


def _distributions(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from (file for file in sorted(folder.iterdir()) if file.name.endswith((".whl", ".tar.gz", ".zip")) and file.is_file())
        elif folder.is_file():
            yield folder


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _local(places: Iterable[str]) -> tuple[tuple[Path, ...], list[str]]:
    """Folders of this machine, and what is elsewhere."""
    folders: list[Path] = []
    remote: list[str] = []
    for place in places:
        if place.startswith("file://"):
            folders.append(Path(unquote(urlsplit(place).path)))
        elif "://" in place:
            remote.append(place)
        else:
            folders.append(Path(place))
    return tuple(folders), remote


def _files(environ: Mapping[str, str], settings: UvSettings) -> Iterator[tuple[str, Path]]:
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    candidates = {
        "authorities": environ.get("SSL_CERT_FILE") or settings.env.get("SSL_CERT_FILE"),
        "client": environ.get("SSL_CLIENT_CERT") or settings.env.get("SSL_CLIENT_CERT"),
        "netrc": environ.get("NETRC") or home / ".netrc",
        "uv-toml": environ.get("UV_CONFIG_FILE") or config / "uv/uv.toml",
    }
    for name, place in candidates.items():
        if place and Path(place).is_file() and Path(place).stat().st_size < _SECRET_BYTES:
            yield name, Path(place).absolute()


def _is_here(address: str) -> bool:
    try:
        return "://" in address and urlsplit(address).hostname in _LOOPBACK
    except ValueError:  # brackets that are no address: who uses it will say so
        return False


def _proxies(proxy: str, environ: Mapping[str, str], settings: UvSettings) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PROXIES:
        value = environ.get(name) or environ.get(name.lower()) or settings.env.get(name, "")
        if name != "NO_PROXY":
            value = proxy or value
            value = value if not value or "://" in value else f"http://{value}"  # a password is hidden in addresses alone
        if value:
            found[name] = value
    return found


def _notes(variables: Mapping[str, str], settings: UvSettings) -> Iterator[str]:
    for name, value in variables.items():
        if "INDEX" in name and any(word.startswith("file://") for word in value.split()):
            yield f"an index on this machine's disk cannot be reached while an image is built ({name.replace('UV_', '').lower()})"
    if settings.env.get("UV_KEYRING_PROVIDER"):
        yield "passwords of package indexes that are in a keyring cannot be reached while an image is built; ~/.netrc can"


def refuse_unreachable(access: BuildAccess, what: str) -> None:
    """Raise `ImageBuildFailed` when packages may come from an index on this machine's disk only, which no build sees."""
    index = access.variables.get("UV_DEFAULT_INDEX") or access.variables.get("UV_INDEX_URL") or ""
    if index.startswith("file://") and not access.variables.get("UV_INDEX"):
        raise ImageBuildFailed(
            f"the image of {what} cannot be built: packages come from a folder of this machine",
            why="a build runs in a container, which does not see the index that pip is set to",
            fix="serve it over HTTP and set it: pip config set global.index-url URL   or run without images: sandbox up --engine embedded",
        )
