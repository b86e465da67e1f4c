"""What a front relies upon of uvicorn: the installed one has it, and one that has not is refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import uvicorn

from mlsandbox_serving.contract import Env
from mlsandbox_serving.service.front import FrontImpossible, install

NAMED = {Env.FRONT: "api", Env.FRONT_SOCKET: "/nowhere/fronts.sock", Env.SERVICE: "api-v1"}


class Installed(uvicorn.Server):
    """The one that is there; what is installed stays with this class."""


def test_the_installed_uvicorn() -> None:
    """The installed uvicorn must have all that a front relies upon."""
    assert install(NAMED, Installed)


@pytest.mark.parametrize("name", [Env.FRONT, Env.FRONT_SOCKET])
def test_without_a_front(name: str) -> None:
    """A service that is asked at its own port alone must be left as it is."""
    before = uvicorn.Server.startup

    assert not install({key: value for key, value in NAMED.items() if key != name})
    assert uvicorn.Server.startup is before


class Sudden(uvicorn.Server):
    """Its start cannot be waited for."""

    def startup(self, sockets: Any = None) -> None:  # type: ignore[override] # such as another uvicorn may have it
        del sockets


class Bare(uvicorn.Server):
    """Does not know its connections."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        del self.server_state


@pytest.mark.parametrize(("other", "reason"), [(Sudden, "its start cannot be waited for"), (Bare, "server_state")])
def test_another_uvicorn(other: type[uvicorn.Server], reason: str) -> None:
    """A uvicorn that is otherwise must be refused with what it lacks: nobody may wait at a front that is never answered."""
    with pytest.raises(FrontImpossible, match=reason):
        install(NAMED, other)
