"""What an answer to a readiness probe means."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlsandbox.supervise.probe import Verdict, judge
from mlsandbox.supervise.spec import HttpProbe

PROBE = HttpProbe("127.0.0.1", 7310, "/readyz")


def _answer(status: int, body: object) -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}".encode()


CASES = {
    "ready": (_answer(200, {"stack_id": "ours"}), Verdict.READY, ""),
    "loading": (_answer(503, {"stack_id": "ours", "code": "LOADING", "reason": None}), Verdict.NOT_READY, "LOADING"),
    "no reason": (_answer(503, {"stack_id": "ours"}), Verdict.NOT_READY, "/readyz answers HTTP 503"),
    "final": (_answer(503, {"stack_id": "ours", "final": True, "reason": "row 3 differs"}), Verdict.REFUSED, "row 3 differs"),
    "final must be true": (_answer(503, {"stack_id": "ours", "final": "yes"}), Verdict.NOT_READY, "/readyz answers HTTP 503"),
    "another stack": (_answer(200, {"stack_id": "theirs"}), Verdict.FOREIGN, "another process answers on port 7310 (HTTP 200)"),
    "another program": (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", Verdict.FOREIGN, "another process answers on port 7310 (HTTP 404)"),
    "not an object": (_answer(200, ["ours"]), Verdict.FOREIGN, "another process answers on port 7310 (HTTP 200)"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", Verdict.FOREIGN, "port 7310 does not speak HTTP"),
    "nothing": (b"", Verdict.FOREIGN, "port 7310 does not speak HTTP"),
}


@pytest.mark.parametrize("case", CASES)
def test_judge(case: str) -> None:
    """Only our own process, answering 200, must count as ready; `final: true` as refused."""
    raw, verdict, reason = CASES[case]

    answer = judge(raw, PROBE, "ours")

    assert (answer.verdict, answer.reason) == (verdict, reason)


def test_probe_without_identity() -> None:
    """A probe of a program that cannot know our id must go by the status alone."""
    assert judge(b"HTTP/1.1 200 OK\r\n\r\nok", replace(PROBE, identified=False), "ours").verdict is Verdict.READY
