"""The gateway's own configuration, in the real HAProxy: what it lets through, what it answers itself, and what it never does twice."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import Path

import pytest

from mlsandbox.stack.components import gateway
from mlsandbox.stack.components.gateway import HEALTH
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import ErrorCode, Header, Origin
from support.gateway import Model, model_service, running_gateway, write_configuration
from support.monitoring import program
from support.name_server import name_server
from support.rendered import CASES, GOLDEN, packaged
from support.toys import FRONT, free_ports, front, toy
from support.toys import gateway as gateway_of
from support.waiting import HANG_SECONDS, wait_for

FULL = 1_100
"""More connections than a front takes."""
GET = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
LOOKED = 12
"""Times in which a name is looked up until an answer that is to be dropped after a second was: each time IPv4 and IPv6, and again."""


@pytest.fixture
def haproxy(request: pytest.FixtureRequest) -> Path:
    return program(request, "haproxy")


class Asked:
    """A gateway before one version, which may not be there."""

    def __init__(self, port: int, direct: int, health: int) -> None:
        self.port = port
        self.direct = direct
        self.health = health

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=HANG_SECONDS)

    def raw(self, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are, and read one answer."""
        with closing(socket.create_connection(("127.0.0.1", self.port), HANG_SECONDS)) as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture
def asked(haproxy: Path, tmp_path: Path) -> Iterator[Asked]:
    """Requests' heads may take half a second, where a real one gives ten."""
    port, direct, admin = free_ports(3)
    fronts = [front(port, "api-v1")]
    service = gateway_of(fronts, "toys")
    spec = StackSpec("toys", "127.0.0.1", (toy("api-v1", direct, front=FRONT), service), tuple(fronts))
    arguments = write_configuration(spec, tmp_path)
    health = service.port(gateway.HEALTH_PORT).number
    common = tmp_path / "haproxy.cfg"
    common.write_text(common.read_text().replace("timeout http-request 10s", "timeout http-request 500ms"))
    with running_gateway(haproxy, arguments, {gateway.ADMIN_PORT: str(admin)}, port):
        yield Asked(port, direct, health)


@pytest.fixture
def model(asked: Asked) -> Iterator[Model]:
    with model_service(asked.direct) as made:
        yield made


@pytest.mark.parametrize("case", CASES)
def test_rendered_configuration_is_valid(haproxy: Path, tmp_path: Path, case: str) -> None:
    """HAProxy must take what is rendered for each example project, without a word of warning."""
    spec = packaged(GOLDEN / case, "docker", named_assets=False).spec
    arguments = write_configuration(spec, tmp_path)
    environment = {gateway.ADMIN_PORT: "9999"}

    done = subprocess.run([haproxy, "-c", "-dW", *arguments[1:]], capture_output=True, text=True, check=False, env=environment)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_no_version_answers(asked: Asked) -> None:
    """Without a version a client must read why in the words of a model service, with its request's id, and when to ask again."""
    with closing(asked.connect()) as connection:
        connection.request("POST", "/predict", b"{}", {"X-Request-ID": 'a "quoted" id'})
        answer = connection.getresponse()
        error = json.loads(answer.read())["error"]

    assert (answer.status, answer.headers["Retry-After"], answer.headers["Content-Type"]) == (503, "1", "application/json")
    assert (error["code"], error["request_id"], error["details"]) == (ErrorCode.NOT_READY, 'a "quoted" id', {})
    assert answer.headers["X-Request-ID"] == 'a "quoted" id'


def test_a_request_without_an_id_gets_one(asked: Asked) -> None:
    """An error of the gateway's own must have an id in any case, the same in its head and in its body."""
    status, headers, body = asked.raw(b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n")

    assert status == 503
    assert headers["x-request-id"] == json.loads(body)["error"]["request_id"] != ""


@pytest.mark.parametrize("sent", [b"what is this\r\n\r\n", b"GET / HTTP/1.1\r\nHost: here\r\nno colon\r\n\r\n"])
def test_no_http(asked: Asked, model: Model, sent: bytes) -> None:
    """What is no HTTP must be refused, and never reach a model service."""
    status, headers, _ = asked.raw(sent)

    assert (status, headers["connection"]) == (400, "close")
    assert not model.seen


def test_slow_head(asked: Asked) -> None:
    """A head that does not arrive must be given up, and that be said."""
    status, _, _ = asked.raw(b"GET / HTTP/1.1\r\nHost: here\r\n")

    assert status == 408


def test_endless_head(asked: Asked, model: Model) -> None:
    """A head that is larger than anything that a model service takes must be refused."""
    status, _, _ = asked.raw(b"GET / HTTP/1.1\r\nHost: here\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n")

    assert status in {400, 431}
    assert not model.seen


def test_large_heads_are_the_model_service_s_to_refuse(asked: Asked, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head as large, and with as many headers, as a model service takes must reach it."""
    monkeypatch.setattr(http.client, "_MAXHEADERS", 1_000)  # of the model service here
    many = {f"X-Header-{number}": "x" * 300 for number in range(195)}

    with closing(asked.connect()) as connection:
        connection.request("GET", "/" + "x" * 2_000, headers=many)
        assert connection.getresponse().status == 200

    assert model.header("X-Header-194") == "x" * 300


def test_requests_arrive_as_they_were_sent(asked: Asked, model: Model) -> None:
    """Names, ids and bodies must be the client's, and nothing be added that says where it came from."""
    body = bytes(range(256)) * 4_000
    sent = {"Host": "models.example.org:7310", "X-Request-ID": "mine", "traceparent": "00-1-2-01", "Authorization": "Bearer key"}

    with closing(asked.connect()) as connection:
        connection.request("POST", "/predict?a=%2Fb", body, sent)
        assert connection.getresponse().read() == body

    (seen,) = model.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/predict?a=%2Fb", body)
    assert {name: model.header(name) for name in sent} == sent
    assert {name.lower() for name, _ in seen.headers} == {name.lower() for name in sent} | {"accept-encoding", "content-length"}


@pytest.mark.parametrize("before", [0, 3], ids=["on a new connection", "on one that was used"])
def test_what_may_have_been_answered_is_not_sent_again(asked: Asked, model: Model, before: int) -> None:
    """A request that the model service got, and ended at, must not be sent to it a second time."""
    with closing(asked.connect()) as connection:
        for _ in range(before):
            connection.request("POST", "/predict", b"{}")
            connection.getresponse().read()
        connection.request("POST", "/die", b"{}")
        try:
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["error"]["code"]) == (502, ErrorCode.INTERNAL)
        except http.client.RemoteDisconnected:
            assert before, "a first request has an answer"

    assert [seen.path for seen in model.seen].count("/die") == 1


def test_connections_are_kept(asked: Asked, model: Model) -> None:
    """A client's connection must outlast its requests, and so must those to the model service."""
    with closing(asked.connect()) as connection:
        for _ in range(50):
            connection.request("POST", "/predict", b"{}")
            assert connection.getresponse().read() == b"{}"
            assert connection.sock is not None

    assert model.connections <= 2


def test_an_offer_of_another_protocol_is_not_taken(asked: Asked, model: Model) -> None:
    """A request that offers HTTP/2 as well, as Java's client sends it, must be answered with its body."""
    head = b"POST /predict HTTP/1.1\r\nHost: here\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"

    status, _, body = asked.raw(head + b"Content-Length: 2\r\n\r\n{}")

    assert (status, body, model.seen[-1].body) == (200, b"{}", b"{}")


@pytest.mark.parametrize("sent", ["x" * 60_000, "x" * 129, "caf\xe9"], ids=["large", "long", "not plain"])
def test_an_id_that_no_request_may_have_is_replaced(asked: Asked, sent: str) -> None:
    """What a model service would not take as an id must not be repeated, so that there is an answer whatever was sent."""
    status, headers, body = asked.raw(f"GET / HTTP/1.1\r\nHost: here\r\nX-Request-ID: {sent}\r\n\r\n".encode("latin-1"))

    assert (status, json.loads(body)["error"]["code"]) == (503, ErrorCode.NOT_READY)
    assert headers["x-request-id"] == json.loads(body)["error"]["request_id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-request-id"])


@pytest.mark.parametrize("sent", ["a, b", "~" * 128])
def test_an_id_that_a_request_may_have_is_kept_whole(asked: Asked, sent: str) -> None:
    """Commas must not cut an id, nor may one be refused that a model service takes."""
    _, headers, _ = asked.raw(f"GET / HTTP/1.1\r\nHost: here\r\nX-Request-ID: {sent}\r\n\r\n".encode())

    assert headers["x-request-id"] == sent


def test_what_services_tell_each_other_is_not_a_client_s_to_say(asked: Asked, model: Model) -> None:
    """No client may pass for a champion that sends a request on, or for a copy of one; the other origins are for who asks."""
    for sent in ({Header.FORWARDED: "split"}, {Header.ORIGIN: Origin.SHADOW}, {Header.ORIGIN: Origin.EXAMPLE}):
        with closing(asked.connect()) as connection:
            connection.request("POST", "/predict", b"{}", sent)
            connection.getresponse().read()

    names = [{name.lower() for name, _ in seen.headers} & {Header.FORWARDED, Header.ORIGIN} for seen in model.seen]
    assert names == [set(), set(), {Header.ORIGIN}]


def test_a_full_front_leaves_health_its_place(asked: Asked) -> None:
    """However many connections clients hold, whoever asks for the gateway's health must be answered."""
    with ExitStack() as held:
        for _ in range(FULL):
            held.enter_context(closing(socket.create_connection(("127.0.0.1", asked.port), HANG_SECONDS)))
        with closing(asked.connect(asked.health)) as connection:
            connection.request("GET", HEALTH)
            assert connection.getresponse().status == 200


@pytest.mark.parametrize("code", [2, 3, 5, None], ids=["failure", "no such name", "refused", "silence"])
def test_an_address_outlives_the_names_that_led_to_it(haproxy: Path, tmp_path: Path, code: int | None) -> None:
    """While names cannot be looked up, a version must be asked where it was found last."""
    port, direct, admin = free_ports(3)
    fronts = [front(port, "api-v1")]
    spec = StackSpec("toys", "127.0.0.1", (toy("api-v1", direct, front=FRONT), gateway_of(fronts, "toys")), tuple(fronts))
    arguments = write_configuration(spec, tmp_path)
    with name_server() as names, model_service(direct):
        common, servers = tmp_path / "haproxy.cfg", tmp_path / gateway.SERVERS
        common.write_text(common.read_text().replace("127.0.0.11:53", f"127.0.0.1:{names.port}"))
        servers.write_text(servers.read_text().replace("127.0.0.1:", "api-v1.test:"))
        with running_gateway(haproxy, arguments, {gateway.ADMIN_PORT: str(admin)}, port):
            asked = Asked(port, direct, 0)
            wait_for(lambda: asked.raw(GET)[0] == HTTPStatus.OK, what="the version was found by its name")

            names.code, before = code, names.asked
            wait_for(lambda: names.asked > before + LOOKED, what="it was looked up again")

            assert asked.raw(GET)[0] == HTTPStatus.OK


def test_it_is_well_without_any_version(asked: Asked) -> None:
    """The gateway's own health must not depend on that of models."""
    with closing(asked.connect(asked.health)) as connection:
        connection.request("GET", HEALTH)
        assert connection.getresponse().status == 200
