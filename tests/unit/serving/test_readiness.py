"""When a service is ready, and what it says while it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Env, ErrorCode, NotReady
from support.asgi import Client, Response
from support.served import Laid, fitted, lay, people
from support.service import loaded, rows_of, serve, serve_beside


def test_readiness_says_loading_then_ready(plain: Laid) -> None:
    """Until the golden rows are reproduced /readyz is 503 and a prediction refused; /livez, /schema and /docs.json answer meanwhile."""
    served = serve(plain)

    async def talk(client: Client) -> list[Response]:
        early = [await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])]
        early += [await client.get("/livez"), await client.get("/schema")]
        await loaded(client)
        return [*early, await client.get("/readyz")]

    before, refused, live, schema, after = served.run(talk, wait=False)

    assert (before.status, before.json()["code"], before.json()["final"]) == (503, NotReady.LOADING, False)
    assert (refused.status, refused.json()["error"]["code"], refused.headers["retry-after"]) == (503, ErrorCode.NOT_READY, "1")
    assert (live.status, live.json()) == (200, {"live": True, "stack_id": "nonce"})
    assert [column["name"] for column in schema.json()["columns"]] == ["age", "sex", "hours", "email"]
    assert after.json() == {
        "ready": True,
        "stack_id": "nonce",
        "model": "toy",
        "version": "v1",
        "code": None,
        "reason": None,
        "final": False,
        "details": {},
        "golden": {"rows": 50, "bit_equal": 50},
    }


def own_copy(tmp_path: Path, **manifest: Any) -> Laid:
    frame = people()
    return lay(tmp_path, fitted(frame), frame, manifest=manifest)


def test_a_flipped_byte_is_never_loaded(tmp_path: Path) -> None:
    """A model file that is not the packaged one is not loaded; /readyz names it and both digests, and says that waiting is useless."""
    laid = own_copy(tmp_path)
    file = laid.model / "model.joblib"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, refused = serve(laid).run(talk)

    body = ready.json()
    assert (ready.status, body["code"], body["final"]) == (503, NotReady.MODEL_DIGEST_MISMATCH, True)
    assert "model.joblib" in body["reason"]
    assert body["details"]["expected"] == laid.manifest()["files"][0]["sha256"] != body["details"]["found"]
    assert (refused.status, refused.headers.get("retry-after")) == (503, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A model file that is gone is named like one that was changed."""
    laid = own_copy(tmp_path)
    (laid.model / "model.joblib").unlink()

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["details"]["found"]) == (NotReady.MODEL_DIGEST_MISMATCH, None)


def test_changed_code_of_the_user_is_never_imported(tmp_path: Path) -> None:
    """Code that was handed over with the model is pinned as the model is."""
    laid = own_copy(tmp_path, code=[{"path": "features.py", "sha256": "0" * 64}])
    (laid.root / "package" / "code").mkdir()
    (laid.root / "package" / "code" / "features.py").write_text("raise SystemExit\n")

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["details"]["file"]) == (NotReady.MODEL_DIGEST_MISMATCH, "features.py")


def test_other_predictions_than_captured_are_not_served(tmp_path: Path) -> None:
    """A model that does not reproduce its golden rows stays not ready for good, and the reason names row, values and library versions."""
    laid = own_copy(tmp_path, libraries={"scikit-learn": "1.0.1"}, roots=["scikit-learn"], private=["email"])

    def flip(golden: dict[str, Any]) -> None:
        golden["predictions"][3] = "maybe"

    laid.change("golden.json", flip)
    served = serve(laid)

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, refused = served.run(talk)

    body = ready.json()
    assert (ready.status, body["code"], body["final"], body["golden"]) == (
        503,
        NotReady.GOLDEN_MISMATCH,
        True,
        {"rows": 50, "bit_equal": 49},
    )
    assert "row 3: prediction" in body["reason"]
    assert "scikit-learn 1.0.1 when captured" in body["reason"]
    assert body["details"]["differences"][0]["expected"] == "maybe"
    assert "@example.org" not in json.dumps(body)
    assert refused.json()["error"]["code"] == ErrorCode.NOT_READY


def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    """What loading raised is the reason, beside the libraries that differ."""
    laid = own_copy(tmp_path, libraries={"numpy": "0.9"})
    laid.change("package.json", lambda manifest: manifest["load"].update(kind="lightgbm"))

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["final"]) == (NotReady.LOAD_FAILED, True)
    assert "numpy 0.9 when captured" in body["reason"]


def test_hashed_columns_need_a_key(guarded: Laid) -> None:
    """Without a key nothing is served, rather than values be logged in the clear."""
    body = serve(guarded).run(lambda client: client.get("/readyz")).json()

    assert (body["code"], body["final"]) == (NotReady.LOAD_FAILED, True)
    assert Env.HASH_KEY_FILE in body["reason"]


def test_without_golden_rows_a_loaded_model_is_ready(tmp_path: Path) -> None:
    """A model that was packaged without reference data is ready once it is loaded."""
    laid = own_copy(tmp_path)
    (laid.root / "package" / "golden.json").unlink()

    body = serve(laid).run(lambda client: client.get("/readyz")).json()

    assert (body["ready"], body["golden"]) == (True, None)


def test_an_unwritable_spool_is_not_ready_but_still_answers(plain: Laid) -> None:
    """While events cannot be written /readyz says so, for as long as it is so, and predictions are answered all the same."""
    served = serve(plain)
    served.spool.reason = "cannot write events: No space left on device"

    async def talk(client: Client) -> tuple[Response, Response, Response]:
        unready = await client.get("/readyz")
        answered = await client.post("/predict", rows_of(1)[0])
        served.spool.reason = None
        return unready, answered, await client.get("/readyz")

    unready, answered, ready = served.run(talk)

    assert (unready.status, unready.json()["code"], unready.json()["final"]) == (503, NotReady.SPOOL_UNWRITABLE, False)
    assert "No space left" in unready.json()["reason"]
    assert (answered.status, ready.status) == (200, 200)


def test_a_stopping_service_says_so_and_finishes(plain: Laid) -> None:
    """Once it stops, /readyz is 503 and requests in hand are answered; at the end the spool is closed."""
    served = serve(plain)

    async def talk(client: Client) -> tuple[Response, Response]:
        served.runtime.begin_stop()
        return await client.get("/readyz"), await client.post("/predict", rows_of(1)[0])

    ready, answered = served.run(talk)

    assert (ready.status, ready.json()["code"], answered.status) == (503, NotReady.STOPPING, 200)
    assert served.spool.closed


class Others:
    """Stands in for the other workers of a service."""

    def __init__(self, *, ready: int, was_ready: bool) -> None:
        self.ready = ready
        self.before = was_ready
        self.noted = False

    def ready_workers(self) -> int:
        return self.ready

    def was_ready(self) -> bool:
        return self.before

    def note_ready(self) -> None:
        self.noted = True


@pytest.mark.parametrize(("was_ready", "status"), [(True, 200), (False, 503)])
def test_who_takes_a_dead_ones_place_lets_requests_wait(plain: Laid, *, was_ready: bool, status: int) -> None:
    """A request that comes while the model is loaded again must be answered once it is; at the service's start it is refused."""
    others = Others(ready=0, was_ready=was_ready)

    async def talk(client: Client) -> tuple[Response, Response]:
        return await client.get("/livez"), await client.post("/predict", rows_of(1)[0])

    live, predicted = serve_beside(others, plain).run(talk, wait=False)

    assert (live.status, predicted.status) == (200, status)
    assert others.noted or not was_ready


def test_a_request_waits_no_longer_for_the_model_than_it_may(plain: Laid) -> None:
    """When the model is not there within the time of a request it must be refused, to be asked again."""

    async def talk(client: Client) -> Response:
        return await client.post("/predict", rows_of(1)[0])

    refused = serve_beside(Others(ready=0, was_ready=True), plain, **{Env.TIMEOUT_SECONDS: "0.001"}).run(talk, wait=False)

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("ready", [0, 1])
def test_a_worker_starts_behind_those_that_answer(plain: Laid, ready: int) -> None:
    """A worker must take no connection before its model is loaded while others take them, and at once when there are none."""

    async def talk(client: Client) -> Response:
        return await client.get("/readyz")

    early = serve_beside(Others(ready=ready, was_ready=bool(ready)), plain).run(talk, wait=False)

    assert early.status == (200 if ready else 503)
