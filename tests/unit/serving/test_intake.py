"""What is taken in, and what is told to whom, whatever comes."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Env, ErrorCode, Field, Header
from mlsandbox_serving.record import Facts
from mlsandbox_serving.service.answers import NO_HEADERS, Answers
from mlsandbox_serving.service.batching import Outcome, Question
from mlsandbox_serving.service.codecs import encoder_for
from mlsandbox_serving.service.exchange import Request
from mlsandbox_serving.service.intake import Intake
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.settings import Settings
from support.asgi import Client, Response
from support.served import Laid, fitted, lay, people
from support.service import Served, metrics_of, rows_of, serve

KEY = "0123456789abcdef0123"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    frame = people()
    return lay(tmp_path_factory.mktemp("laid"), fitted(frame), frame)


def with_key(laid: Laid, folder: Path, **more: str) -> Served:
    keys = folder / "keys"
    keys.write_text(f"{KEY}\n", encoding="utf-8")
    environ: dict[str, Any] = {Env.API_KEYS_FILE: str(keys), **more}
    return serve(laid, **environ)


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/toy/versions/v9", "/v2/models/toy", "/nothing", "/predict"])
def test_who_has_no_key_learns_no_names(laid: Laid, tmp_path: Path, path: str) -> None:
    """Without a key every route but the open ones must answer 401, whether it is there or not."""
    answer = with_key(laid, tmp_path).run(lambda client: client.get(path))

    assert answer.status == 401
    assert b"toy" not in answer.body


def test_readiness_without_a_key_says_no_reason(tmp_path: Path) -> None:
    """Why a service is not ready may repeat reference rows: without a key only the code must be told, on both protocols."""
    frame = people()
    broken = lay(tmp_path, fitted(frame), frame)
    broken.change("golden.json", lambda golden: golden["predictions"].__setitem__(0, "SECRET"))
    served = with_key(broken, tmp_path)

    async def talk(client: Client) -> list[Response]:
        key = {Header.API_KEY: KEY}
        return [
            await client.get("/readyz"),
            await client.get("/v2/health/ready"),
            await client.request("GET", "/v2/models/toy/ready", headers=key),
            await client.request("GET", "/readyz", headers=key),
        ]

    plain, health, model, told = served.run(talk)

    assert (plain.status, plain.json()["code"]) == (503, "GOLDEN_MISMATCH")
    assert b"SECRET" not in plain.body + health.body
    assert b"SECRET" in told.body
    assert b"SECRET" in model.body


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1:7310", 200), ("localhost", 200), ("api:3000", 200), ("evil.example", 421), ("evil.example:7310", 421)]
)
def test_another_sites_name_is_not_answered(laid: Laid, host: str, status: int) -> None:
    """Without keys a name with a domain must be refused, since a page of that name could read the answers; probes must be answered."""
    environ: dict[str, Any] = {Env.LOCAL_NAMES: "1"}

    async def talk(client: Client) -> tuple[int, int, int]:
        schema = await client.request("GET", "/schema", headers={"host": host})
        asked = await client.request("POST", "/predict", parts=[json.dumps(rows_of(1)[0]).encode()], headers={**JSON, "host": host})
        live = await client.request("GET", "/livez", headers={"host": host})
        return schema.status, asked.status, live.status

    assert serve(laid, **environ).run(talk) == (status, status, 200)


def test_refused_bodies_are_let_go(laid: Laid) -> None:
    """A refusal must not be part of a cycle: it would keep its body until the collector comes."""
    large = json.dumps({"rows": [{"nothing": "x" * 100}] * 500}).encode()

    async def talk(client: Client) -> int:
        for body in (large, b"{", json.dumps({"age": "x"}).encode()):
            await client.request("POST", "/predict", parts=[body], headers=JSON)
        gc.collect()
        gc.disable()
        try:
            for body in (large, b"{", json.dumps({"age": "x"}).encode()):
                answer = await client.request("POST", "/predict", parts=[body], headers=JSON)
                assert answer.status in {400, 422}
            del answer
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return sum(type(one).__name__ in {"RequestRefused", "SchemaMismatch"} for one in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert serve(laid).run(talk) == 0


def test_what_took_too_long_is_one_event(laid: Laid) -> None:
    """A request that got 504 must leave the event of that and no other, and no class be counted, when its prediction comes after all."""
    environ: dict[str, Any] = {Env.TIMEOUT_SECONDS: "0.2"}
    served = serve(laid, **environ)
    go_on, done = threading.Event(), threading.Event()

    async def talk(client: Client) -> tuple[Response, dict[Any, float]]:
        answers = served.runtime._answers
        assert answers is not None
        original = answers.answer

        def slow(questions: Sequence[Question]) -> Sequence[Outcome]:
            go_on.wait(60)
            try:
                return original(questions)
            finally:
                done.set()

        answers.answer = slow  # type: ignore[method-assign]
        answers.inline = False
        late = await client.post("/predict", rows_of(1)[0])
        go_on.set()
        await asyncio.to_thread(done.wait, 60)
        return late, await metrics_of(client)

    late, samples = served.run(talk)

    assert (late.status, late.json()["error"]["code"]) == (504, ErrorCode.TIMEOUT)
    assert [event[Field.STATUS] for event in served.spool.events] == [504]
    assert samples["sandbox_request_rows_count", ()] == 0


def test_own_code_stays_in_its_thread(tmp_path: Path) -> None:
    """A model whose package has code of the user must be asked in the thread that loaded it."""
    frame = people()
    own, plain = lay(tmp_path / "own", fitted(frame), frame), lay(tmp_path / "plain", fitted(frame), frame)
    (own.root / "package" / "code").mkdir()
    found = []
    for one in (own, plain):
        served = serve(one)
        served.post(rows_of(1)[0])
        answers = served.runtime._answers
        assert answers is not None
        found.append(answers.inline)

    assert found == [False, True]


def test_strangers_cannot_fill_the_spool(laid: Laid, tmp_path: Path) -> None:
    """Of many requests without a key only some must get an event; the others must be counted as left out."""
    served = with_key(laid, tmp_path)

    async def talk(client: Client) -> dict[Any, float]:
        for _ in range(400):
            await client.get("/schema")
        return await metrics_of(client)

    samples = served.run(talk)

    assert len(served.spool.events) < 400
    assert samples["sandbox_events_dropped_total", (("reason", "flood"),)] == 400 - len(served.spool.events)
    assert samples["sandbox_requests_total", (("code", "401"), ("route", "other"))] == 400


def test_an_answer_that_cannot_be_written_is_nobody_elses(laid: Laid) -> None:
    """An answer that its format cannot hold must fail alone, and the others of its batch be answered and logged."""
    served = serve(laid)

    class Failing:
        """A format that has no words for anything."""

        content_type = "text/none"
        headers = NO_HEADERS

        def __call__(self, answers: Answers) -> bytes:
            raise UnicodeEncodeError("utf-8", str(answers), 0, 1, "surrogates not allowed")

    async def talk(_client: Client) -> list[Outcome]:
        answers = served.runtime._answers
        assert answers is not None
        columns = answers._served.schema.check_rows(rows_of(1))
        good, bad = encoder_for(None), Failing()
        questions = [Question(Facts("POST", "/predict", "r"), None, columns, encode, lambda _outcome: None) for encode in (good, bad, good)]
        return list(answers.answer(questions))

    outcomes = served.run(talk)

    assert [type(outcome).__name__ for outcome in outcomes] == ["Answer", "UnicodeEncodeError", "Answer"]
    assert len(served.spool.events) == 2


@pytest.mark.parametrize(("size", "status"), [(1_000, None), (1_001, 413), (50_000, 413)])
def test_a_body_in_one_piece_is_held_to_the_limit(size: int, status: int | None) -> None:
    """A body that is there whole must be refused as too large past the limit, not as one of too many, and leave nothing counted."""
    intake = Intake(Settings(max_body=1_000))
    request = Request(Facts("POST", "/predict", "r"), {})
    for _ in range(100):
        refused = None
        try:
            intake.take(request, size)
        except RequestRefused as error:
            refused = error.failure.status
        assert refused == status
        intake.release(request)
