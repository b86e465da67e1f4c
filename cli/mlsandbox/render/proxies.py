"""The proxies that containers are told of (pure).

A container's variables can be read by whoever may use the engine, and the rendered file by whoever may read the project: a proxy with
a user or a password in its URL is left out. So is one on this machine's loopback, which no container reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

NO_PROXIES: Final = {name: "" for each in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (each, each.lower())}
"""For programs that ask nobody but the stack, and for their health checks: to a container that does not say otherwise Compose gives
the proxies of Docker's own settings (`proxies` in ~/.docker/config.json), which reach nothing of a private network."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def proxy_variables(environ: Mapping[str, str], stated: str, services: Sequence[str]) -> dict[str, str]:
    """HTTP_PROXY and HTTPS_PROXY as far as they may be passed on, and what is reached without them.

    Args:
        environ: the caller's environment; a name in lower case counts as well.
        stated: `[stack] proxy`, which is used instead of the environment's.
        services: names of the stack's services: never asked for through a proxy.
    """
    urls = {name: stated or _either(environ, name) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    found = {name: url for name, url in urls.items() if url and _may_be_told(url)}
    if not found:
        return {}
    direct = [part.strip() for part in _either(environ, "NO_PROXY").split(",") if part.strip()]
    return {**found, "NO_PROXY": ",".join(dict.fromkeys((*direct, *_LOOPBACK, *services)))}


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower(), "")


def _may_be_told(url: str) -> bool:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return False
    return "@" not in url and parts.hostname not in _LOOPBACK
