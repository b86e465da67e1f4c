"""Addresses that services bind, and where they are then reached (pure)."""

from __future__ import annotations

from typing import Final

LOOPBACK: Final = "127.0.0.1"
_REACHED_AT: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - what answers for "all addresses"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound there."""
    from ipaddress import ip_address  # noqa: PLC0415 - not needed to show help

    return host == "localhost" or ip_address(host).is_loopback


def bound_at(host: str) -> str:
    """The address of `host`, which may be a name."""
    return LOOPBACK if host == "localhost" else host


def reached_at(host: str) -> str:
    """Where this machine reaches what is bound at `host`."""
    return _REACHED_AT.get(host, host)


def bracketed(host: str) -> str:
    """As it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
