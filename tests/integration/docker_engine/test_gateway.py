"""The gateway before containers: versions change behind it, die and come back, and it itself does."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection

from mlsandbox.engines.base import Outcome, Result, Switched
from mlsandbox.stack.components.gateway import ADMIN_PORT, NAME
from mlsandbox.stack.spec import Condition, ServiceSpec
from support.busy import Busy
from support.docker_stack import docker
from support.engine_bench import Bench
from support.toys import FRONT, toy
from support.waiting import HANG_SECONDS, wait_for

CLIENTS = 32
VERSION = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True
    def do_GET(self):
        body = os.environ["SANDBOX_SERVICE"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer((os.environ["TOY_HOST"], int(os.environ["TOY_PORT"])), Handler)
server.daemon_threads = True
server.serve_forever()
"""
"""A version that keeps connections open, and answers with its name."""


def test_no_request_is_lost_over_moves(bench: Bench) -> None:
    """Busy clients that keep their connections must be answered over several moves, and each move be told as it was."""
    first, second = (_version(bench, number, shipped=True) for number in (1, 2))
    before, after = (toy("shipper", bench.ports[0], TOY_COLOUR=colour) for colour in ("red", "blue"))  # what versions need changes, too
    bench.up(first, before, answers="api-v1")
    with Busy(bench.front_port, CLIENTS) as busy:
        busy.more(CLIENTS)
        outcomes = []
        for services, answers in (((first, second), "api-v2"), ((first, second), "api-v1"), ((second,), "api-v2")):
            outcomes.append(bench.up(*services, after, answers=answers))
            busy.more(10 * CLIENTS)

    assert busy.failures == []
    assert [outcome.result for outcome in outcomes] == [Result.READY] * 3
    switched = [_only(outcome) for outcome in outcomes]
    assert [(each.former, each.service) for each in switched] == [("api-v1", "api-v2"), ("api-v2", "api-v1"), ("api-v1", "api-v2")]
    since = 0.0
    for each in switched:
        assert {reply.text for reply in busy.replies if reply.asked > since and reply.answered < each.began} == {each.former}
        since = each.ended
    assert {reply.text for reply in busy.replies if reply.asked > since} == {"api-v2"}


def test_what_comes_back_is_found_again(bench: Bench) -> None:
    """A version that comes back at another address must be asked there; a gateway that does must ask whom it asked before."""
    bench.up(_version(bench, 1), answers="api-v1")
    bench.up(_version(bench, 1), _version(bench, 2), answers="api-v2")

    os.kill(bench.service(NAME).pid or 0, signal.SIGKILL)
    wait_for(lambda: _asked(bench) == (200, "api-v2"), what="the gateway is back, and asks v2")

    addresses = _addresses(bench, "api-v2")
    docker("stop", "--time", "1", _container(bench, "api-v2"))
    status, body = wait_for(lambda: _asked(bench), what="the gateway answers")
    assert (status, json.loads(body)["error"]["code"]) == (503, "NOT_READY")
    try:
        for network in ("front", "back"):  # somebody else gets its addresses
            docker("run", "--detach", f"--name={bench.project}-{network}", f"--network={bench.project}_{network}", *_idle(bench))
        docker("start", _container(bench, "api-v2"))
        assert not addresses & _addresses(bench, "api-v2")
        wait_for(lambda: _asked(bench) == (200, "api-v2"), what="v2 is asked at its new address")
    finally:
        docker("rm", "--force", *(f"{bench.project}-{network}" for network in ("front", "back")))


def test_nobody_else_can_tell_it_anything(bench: Bench) -> None:
    """Its commands must be out of reach for other containers, on every network that they share."""
    bench.up(_version(bench, 1), answers="api-v1")
    (admin,) = (line for line in docker("exec", _container(bench, NAME), "bash", "-c", f"echo ${ADMIN_PORT}").split())
    tried = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"

    codes = [
        "".join(bench.engine.run_in("api-v1", ("-c", tried, address, port), ""))
        for address in sorted(_addresses(bench, NAME))
        for port in (str(bench.front_port), admin)
    ]

    assert [code == "0" for code in codes] == [True, False] * (len(codes) // 2)
    assert codes


def test_a_move_that_was_half_made_is_finished(bench: Bench) -> None:
    """A gateway that asks another one than is written down must be put right by the next `up`, whatever else there is to do."""
    both = (_version(bench, 1), _version(bench, 2))
    bench.up(*both, answers="api-v1")
    saved = {path: path.read_bytes() for path in (bench.root / ".sandbox/stack").rglob("*") if path.is_file()}
    bench.up(*both, answers="api-v2")
    for path, content in saved.items():  # as if the program had been killed before it wrote the move down
        path.write_bytes(content)

    assert bench.up(*both, answers="api-v1").result is Result.READY

    assert _asked(bench) == (200, "api-v1")


def _version(bench: Bench, number: int, *, shipped: bool = False) -> ServiceSpec:
    needs = {"shipper": Condition.STARTED} if shipped else {}
    return replace(toy(f"api-v{number}", bench.ports[number], needs=needs, front=FRONT), args=("-c", VERSION))


def _only(outcome: Outcome) -> Switched:
    (switched,) = outcome.switched
    return switched


def _asked(bench: Bench) -> tuple[int, str] | None:
    """Status and body of what the front answers; None when nobody does."""
    with closing(HTTPConnection("127.0.0.1", bench.front_port, timeout=HANG_SECONDS)) as connection:
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, EOFError):
            return None


def _container(bench: Bench, service: str) -> str:
    return f"{bench.project}-{service}-1"


def _addresses(bench: Bench, service: str) -> set[str]:
    networks = json.loads(docker("inspect", _container(bench, service)))[0]["NetworkSettings"]["Networks"]
    return {each["IPAddress"] for each in networks.values()}


def _idle(bench: Bench) -> tuple[str, ...]:
    assert bench.image is not None
    return ("--entrypoint=sleep", bench.image.reference, "600")
