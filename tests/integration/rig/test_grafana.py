"""Grafana's stand-in: it takes what Grafana takes, and refuses to start with what would be broken."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from support.event_processes import free_port
from support.standins import StandIn
from support.waiting import HANG_SECONDS

SOURCES = (
    "apiVersion: 1\ndatasources: [{name: Prometheus, uid: prometheus, type: prometheus, url: 'http://$PROMETHEUS', isDefault: true}]\n"
)
ADMIN = "secret"
PROVIDERS = "apiVersion: 1\nproviders: [{name: ours, type: file, folder: Sandbox, options: {path: '$DASHBOARDS'}}]\n"
BOARD = {
    "uid": "overview",
    "title": "Overview",
    "tags": ["sandbox"],
    "panels": [{"datasource": {"type": "prometheus", "uid": "prometheus"}}],
}


def _standin(folder: Path, *, anonymous: str = "true") -> StandIn:
    port = free_port()
    env = {
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_PATHS_PROVISIONING": str(folder),
        "GF_PATHS_DATA": str(folder),
        "GF_SECURITY_ADMIN_PASSWORD__FILE": str(folder / "password"),
        "GF_AUTH_ANONYMOUS_ENABLED": anonymous,
        "DASHBOARDS": str(folder / "json"),
        "PROMETHEUS": "prometheus:9090",
    }
    return StandIn("grafana_standin", (), env, port=port, path="/api/health")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One data source and one dashboard, provisioned."""
    for name, text in {
        "datasources/sources.yaml": SOURCES,
        "dashboards/ours.yml": PROVIDERS,
        "json/overview.json": json.dumps(BOARD),
        "password": f"{ADMIN}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def grafana(folder: Path) -> Iterator[StandIn]:
    standin = _standin(folder).start()
    yield standin
    standin.stop()


def _ask(standin: StandIn, path: str, *, body: Any = None, password: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{standin.port}{path}", data=None if body is None else json.dumps(body).encode()
    )  # our own process
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310  # our own process
            text = answer.read().decode()
            return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_provisioned(grafana: StandIn) -> None:
    """Dashboards must be found by viewers, data sources by the administrator, with variables put in."""
    assert [found["uid"] for found in _ask(grafana, "/api/search?tag=sandbox")[1]] == ["overview"]
    assert _ask(grafana, "/api/dashboards/uid/overview")[1]["dashboard"] == BOARD
    assert _ask(grafana, "/d/overview/any-slug")[0] == 200
    assert _ask(grafana, "/api/dashboards/uid/other")[0] == 404
    assert _ask(grafana, "/api/datasources")[0] == 403
    assert _ask(grafana, "/api/datasources", password=ADMIN)[1][0]["url"] == "http://prometheus:9090"
    assert "grafana_build_info" in _ask(grafana, "/metrics")[1]


def test_annotations(grafana: StandIn) -> None:
    """An annotation must be added by the administrator alone, be found by its tags, and outlive a restart."""
    given = {"text": "drift", "tags": ["drift", "churn"], "time": 1767348000000}

    assert _ask(grafana, "/api/annotations", body=given)[0] == 403
    assert _ask(grafana, "/api/annotations", body=given, password=ADMIN[::-1])[0] == 401
    assert _ask(grafana, "/api/annotations", body={"tags": []}, password=ADMIN)[0] == 400
    number = _ask(grafana, "/api/annotations", body=given, password=ADMIN)[1]["id"]
    grafana.kill()
    grafana.start()
    assert [found["id"] for found in _ask(grafana, "/api/annotations?tags=drift&tags=churn")[1]] == [number]
    assert _ask(grafana, "/api/annotations?tags=drift&tags=other")[1] == []


def test_anonymous_only_where_allowed(folder: Path) -> None:
    """Without the setting for anonymous users, nobody without a password must see anything but the health."""
    standin = _standin(folder, anonymous="false").start()

    assert _ask(standin, "/api/search")[0] == 401
    assert _ask(standin, "/api/search", password=ADMIN)[0] == 200
    standin.stop()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("datasources/sources.yaml", "apiVersion: 1\ndatasources: [", "cannot be read"),
        ("datasources/sources.yaml", "datasources: []\n", "apiVersion"),
        ("json/overview.json", "{", "not JSON"),
        ("json/second.json", json.dumps(BOARD), "more than once"),
        ("json/second.json", json.dumps({**BOARD, "uid": "b", "panels": [{"datasource": {"uid": "nowhere"}}]}), "nowhere"),
        ("dashboards/ours.yml", PROVIDERS.replace("$DASHBOARDS", "/nowhere"), "no dashboard"),
    ],
)
def test_broken_provisioning(folder: Path, file: str, text: str, said: str) -> None:
    """What Grafana could not read or show must end the start, with what is wrong."""
    (folder / file).write_text(text, encoding="utf-8")

    assert said in _standin(folder).refusal()
