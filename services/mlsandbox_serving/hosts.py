"""Names by which a machine is asked."""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import urlsplit


@functools.lru_cache(maxsize=256)
def is_named_here(host: str) -> bool:
    """Whether a Host header names this machine or a service of its network: an address, or a name without a domain.

    A page of another site could have its own name lead to this machine, and then read what is shown here as its own.
    """
    try:
        name = (urlsplit(f"//{host.strip()}").hostname or "").rstrip(".")
        if "." not in name and ":" not in name:
            return True
        return name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
