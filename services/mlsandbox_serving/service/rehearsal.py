"""Whether uvicorn still is as the guards need it: they rely on attributes that it promises to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

_REQUEST: Final = b"POST / HTTP/1.1\r\nhost: rehearsal\r\ncontent-length: 2\r\n\r\n"
"""Without its body, so that it is still being read."""


def missing(protocol: type[Any], needs: Iterable[str]) -> str | None:
    """What one of uvicorn's HTTP protocols does not have.

    Args:
        protocol: the class; a request is given to an instance, without a connection, and goes to nobody.
        needs: attributes of it, also of what its attributes hold: `cycle.body`.

    Returns:
        For a warning; None when all are there.
    """
    try:
        connection = _rehearsed(protocol)
    except Exception as error:  # noqa: BLE001 - whatever another version does
        return f"{type(error).__name__}: {error}"
    for need in needs:
        try:
            attrgetter(need)(connection)
        except AttributeError:
            return f"no {need}"
    return None


def _rehearsed(protocol: type[Any]) -> Any:
    from uvicorn.config import Config  # noqa: PLC0415 - there in a worker only
    from uvicorn.server import ServerState  # noqa: PLC0415 - as above

    config = Config(_nobody, http=protocol, ws="none", lifespan="off", log_config=None)
    connection = protocol(config=config, server_state=ServerState(), app_state={}, _loop=_Loop())
    connection.connection_made(_Transport())
    connection.data_received(_REQUEST)
    return connection


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """An application; it is never run."""


class _Task:
    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Never called: the task is none."""


class _Loop:
    def create_task(self, coroutine: Any, **_: Any) -> _Task:
        coroutine.close()
        return _Task()


class _Transport(asyncio.Transport):
    def is_closing(self) -> bool:
        return False
