"""Where Elasticsearch is, and who asks: out of the environment, a file, a URL; the password is in no text that this makes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from mlsandbox_serving.contract import Env

AUTHORITIES: Final = "ca.crt"
"""Beside the file with the URL, as in the Secrets of cert-manager and of Elasticsearch's operator."""
_PORTS: Final = {"http": 80, "https": 443}
"""Of URLs without one (RFC 9110, section 4.2)."""


class Address(NamedTuple):
    """One Elasticsearch."""

    shown: str
    """The URL without name and password."""
    host: str
    port: int
    encrypted: bool
    path: str
    """In front of every path, without a slash at its end."""
    headers: Mapping[str, str]
    """That say who asks."""


class Stated(NamedTuple):
    """What the environment says."""

    url: str
    authorities: Path | None = None
    """File with the certificates of those who vouch for it; None: those that the system knows."""


def stated(environ: Mapping[str, str]) -> Stated:
    """The URL that the environment states, or the file that it names, and the authorities beside that.

    Raises:
        KeyError: it says neither.
        OSError: the file cannot be read.
    """
    named = environ.get(Env.ELASTICSEARCH_URL_FILE)
    if not named:
        return Stated(environ[Env.ELASTICSEARCH_URL])
    file = Path(named)
    authorities = file.with_name(AUTHORITIES)
    return Stated(file.read_text(encoding="utf-8").strip(), authorities if authorities.is_file() else None)


def parse(url: str) -> Address:
    """The address in "https://name:password@host:9200/path"; signs of URLs in name and password are percent-encoded.

    Raises:
        ValueError: it is none.
    """
    scheme, _, rest = url.partition("://")
    shown = f"{scheme}://{rest.rpartition('@')[2]}" if "@" in rest else url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # whose words may hold what stands before an unencoded sign in the password
        parts, port = None, None
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or "@" in parts.path + parts.query + parts.fragment:
        hint = ": signs like / # ? @ in a password are written %2F %23 %3F %40" if "@" in rest else ""
        raise ValueError(f"{shown!r} is no address like http://elasticsearch:9200{hint}")
    return Address(
        shown, parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", parts.path.rstrip("/"), _authorization(parts.netloc)
    )


def _authorization(netloc: str) -> dict[str, str]:
    """Basic authentication (RFC 7617) when there is a name."""
    user, at, _ = netloc.rpartition("@")
    if not at:
        return {}
    name, _, password = user.partition(":")
    return {"Authorization": f"Basic {base64.b64encode(f'{unquote(name)}:{unquote(password)}'.encode()).decode()}"}
