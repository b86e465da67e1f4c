"""The page of a service that needs a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlsandbox_serving.contract import Env, Header
from support.asgi import Client, Response
from support.served import fitted, lay, people
from support.service import serve

KEY = "0123456789abcdef0123"


def test_the_page_shows_nothing_of_the_model_before_a_key(tmp_path: Path) -> None:
    """Without a key the page must be answered, so that people can give theirs, with no column; with one it must show them."""
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\n", encoding="utf-8")
    frame = people()
    environ: dict[str, Any] = {Env.API_KEYS_FILE: str(keys)}
    served = serve(lay(tmp_path, fitted(frame), frame), **environ)

    async def talk(client: Client) -> tuple[Response, Response, Response]:
        return (
            await client.get("/"),
            await client.request("GET", "/", headers={Header.API_KEY: KEY}),
            await client.get("/schema"),
        )

    locked, shown, schema = served.run(talk)

    assert (locked.status, shown.status, schema.status) == (200, 200, 401)
    assert b"hours" not in locked.body
    assert b"hours" in shown.body
