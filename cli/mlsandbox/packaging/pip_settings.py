"""pip's own configuration, as uv understands it: who can install with pip can build a sandbox, with nothing to set up.

pip's variables and files are read in pip's order (global, user, site, PIP_CONFIG_FILE, then PIP_*; later wins, sections [global] then
[install]). What the user set for uv itself always wins. Standard library only: the bootstrap reads this before anything is installed.
Sources: https://pip.pypa.io/en/stable/topics/configuration/ and https://docs.astral.sh/uv/reference/environment/.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})


@dataclass(frozen=True, slots=True)
class UvSettings:
    """What to run uv with.

    `env` holds the variables to add to our own environment (they may hold credentials: never print their values), `flags` what uv
    has no variable for; the flags are understood by `uv pip compile`, `uv pip sync` and `uv pip install`.
    """

    env: Mapping[str, str]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One option of pip and the variables of uv that it becomes.

    Args:
        names: pip's names of the option.
        variables: the variables that are set.
        convert: pip's words -> the value; an empty value sets nothing.
        unless: further variables that the user may have set and that then win.
    """

    names: tuple[str, ...]
    variables: tuple[str, ...]
    convert: Callable[[list[str]], str]
    unless: tuple[str, ...] = ()


def uv_settings(environ: Mapping[str, str] | None = None, *, prefix: Path | None = None, root: Path = Path("/")) -> UvSettings:
    """Pip's settings in uv's terms.

    Args:
        environ: default: our own environment.
        prefix: the interpreter's `sys.prefix`, whose pip.conf counts; default: ours.
        root: where the system's folders are (for tests).
    """
    environ = os.environ if environ is None else environ
    options = read_pip_options(environ, prefix=prefix, root=root)
    env: dict[str, str] = {}
    for rule in _RULES:
        words = next((options[name].split() for name in rule.names if name in options), None)
        if words is None or any(environ.get(name) for name in (*rule.variables, *rule.unless)):
            continue
        value = rule.convert(words)
        if value:
            env.update(dict.fromkeys(rule.variables, value))
    flags = ("--no-index",) if options.get("no-index", "").lower() in _TRUE else ()
    return UvSettings(env, flags)


def read_pip_options(environ: Mapping[str, str], *, prefix: Path | None = None, root: Path = Path("/")) -> dict[str, str]:
    """Pip's effective options for `pip install`, by long name without dashes ("index-url"); empty values do not count."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _config_files(environ, prefix or Path(sys.prefix), root):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue  # pip itself complains of such a file, and we only translate
        for section, options in sections.items():
            if parser.has_section(section):
                options.update({name.lstrip("-").replace("_", "-"): value for name, value in parser.items(section)})
    variables = {
        name[4:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"
    }
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or ""  # pip's HTTP library honours them
    merged: dict[str, str] = {"cert": bundle}
    for layer in (sections["global"], sections["install"], variables):
        merged.update({name: value for name, value in layer.items() if value.strip()})
    return {name: value for name, value in merged.items() if value}


def _config_files(environ: Mapping[str, str], prefix: Path, root: Path) -> Iterator[Path]:
    """Pip's configuration files, the strongest last."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        yield root / "Library/Application Support/pip/pip.conf"
    else:
        for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
            yield root / folder.lstrip("/") / "pip/pip.conf"
        yield root / "etc/pip.conf"
    if not (chosen and Path(chosen).exists()):
        yield home / ".pip/pip.conf"
        own = home / "Library/Application Support/pip"
        config_home = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        yield (own if sys.platform == "darwin" and own.is_dir() else config_home / "pip") / "pip.conf"
    yield prefix / "pip.conf"
    if chosen:
        yield Path(chosen)


def _first(words: list[str]) -> str:
    return words[0]


def _spaced(words: list[str]) -> str:
    return " ".join(words)


def _certificates(words: list[str]) -> str:
    """One bundle; a folder of certificates has a variable of its own."""
    return "" if Path(words[0]).is_dir() else words[0]


def _certificate_folder(words: list[str]) -> str:
    return words[0] if Path(words[0]).is_dir() else ""


def _links(words: list[str]) -> str:
    """Comma-separated; local folders absolute, and those that do not exist left out (pip only warns of them, uv fails)."""
    places = [word if _is_url(word) else str(Path(word).expanduser().absolute()) for word in words]
    return ",".join(place for place in places if _is_url(place) or Path(place).exists())


def _files(words: list[str]) -> str:
    return " ".join(word if _is_url(word) else str(Path(word).expanduser().absolute()) for word in words)


def _proxy(words: list[str]) -> str:
    return words[0] if _is_url(words[0]) else f"http://{words[0]}"


def _seconds(words: list[str]) -> str:
    return str(max(1, round(float(words[0])))) if words[0].replace(".", "", 1).isdigit() else ""


def _all_indexes(_words: list[str]) -> str:
    """Pip takes the best version of all indexes; uv would stop at the first index that knows the name."""
    return "unsafe-best-match"


def _is_url(word: str) -> bool:
    return "://" in word


_RULES: Final = (
    _Rule(("index-url", "pypi-url"), ("UV_DEFAULT_INDEX",), _first, unless=("UV_INDEX_URL",)),
    _Rule(("extra-index-url",), ("UV_INDEX",), _spaced, unless=("UV_EXTRA_INDEX_URL",)),
    _Rule(("extra-index-url",), ("UV_INDEX_STRATEGY",), _all_indexes),
    _Rule(("find-links",), ("UV_FIND_LINKS",), _links),
    _Rule(("cert",), ("SSL_CERT_FILE",), _certificates),
    _Rule(("cert",), ("SSL_CERT_DIR",), _certificate_folder, unless=("SSL_CERT_FILE",)),
    _Rule(("client-cert",), ("SSL_CLIENT_CERT",), _first),
    _Rule(("proxy",), ("HTTPS_PROXY",), _proxy, unless=("https_proxy", "ALL_PROXY", "all_proxy")),
    _Rule(("proxy",), ("HTTP_PROXY",), _proxy, unless=("http_proxy", "ALL_PROXY", "all_proxy")),
    _Rule(("trusted-host",), ("UV_INSECURE_HOST",), _spaced),
    _Rule(("constraint",), ("UV_CONSTRAINT",), _files),
    _Rule(("timeout", "default-timeout"), ("UV_HTTP_TIMEOUT",), _seconds, unless=("UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT")),
    _Rule(("retries",), ("UV_HTTP_RETRIES",), _first),
    _Rule(("keyring-provider",), ("UV_KEYRING_PROVIDER",), lambda words: "subprocess" if words[0] == "subprocess" else ""),
)
