"""How a model's versions come to answer at one address, and what a challenger gets; a part of the contract, which others import from there.

Standard library only, as the contract itself.
"""

from __future__ import annotations

from typing import Final


class Handover:
    """Messages between who holds the listening sockets of the fronts and the workers of model services.

    A worker connects to the Unix stream socket at `Env.FRONT_SOCKET`. Each message is one JSON object on one line; the descriptor that
    belongs to a message travels with its bytes (SCM_RIGHTS, unix(7)). Which front and service a worker is of it says itself; only the
    owner's processes can reach the socket.
    """

    DO: Final = "do"
    """Key of every message: one of the following."""
    HELLO: Final = "hello"
    """Worker: {"front": str, "service": str, "pid": int}; sent once, first."""
    SERVE: Final = "serve"
    """Holder, with the listening socket: accept connections from it; again is harmless."""
    SERVING: Final = "serving"
    """Worker: it does."""
    YIELD: Final = "yield"
    """Holder: accept no more, and hand over each connection of the front as soon as it waits for nothing."""
    CONNECTION: Final = "connection"
    """Either way, with a connection: it is yours now. No byte of a request has been read from it that was not answered."""
    HOLD: Final = "hold"
    """Holder: accept no more, and keep what there is, until another word comes."""
    HELD: Final = "held"
    """Worker: it accepts nothing, and hears."""
    CUT: Final = "cut"
    """Holder, after `YIELD`: its time is up; end what cannot be handed over, whatever it waits for."""
    YIELDED: Final = "yielded"
    """Worker: no connection of the front is left with it, and no answer of its is on its way."""
    LONGEST: Final = 4_096
    """Bytes of a message."""


class Traffic:
    """The JSON document in `Env.TRAFFIC_FILE`; who cannot read it keeps to what it read before.

    {"champion": version, "challenger": null | {"version": str, "address": "host:port", "percent": float, "shadow": bool}}. The version
    that is the champion acts by it, every other one answers what it is asked: of `percent` of the requests it fetches the challenger's
    answer, and gives its own when there is none in time; with `shadow` it answers all itself and sends the challenger copies.
    """

    CHAMPION: Final = "champion"
    CHALLENGER: Final = "challenger"
    VERSION: Final = "version"
    ADDRESS: Final = "address"
    PERCENT: Final = "percent"
    SHADOW: Final = "shadow"
