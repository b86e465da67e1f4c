"""A full stack in containers: healthy, closed, logged, measured."""

from __future__ import annotations

import itertools
import json

import pytest

from support.dashboards import PanelQuery, panel_queries
from support.docker_stack import DockerSandbox, docker
from support.sandbox import get, post
from support.waiting import wait_for

SERVICES = {
    *("api-v1", "gateway", "shipper", "fluentd", "elasticsearch", "elasticsearch-setup", "elasticsearch-exporter"),
    *("drift", "prometheus", "alertmanager", "grafana"),
}
PUBLISHED = {"gateway", "drift", "prometheus", "alertmanager", "grafana"}
OUTSIDE = PUBLISHED | {"api-v1"}
"""What may reach the network: what is published, and code of the user's."""


def test_all_services_must_be_healthy(full: DockerSandbox) -> None:
    """After `up` every service must be healthy, and what runs once must have ended well."""
    document = full.status()

    assert document["state"] == "healthy"
    assert {service["name"]: service["state"] for service in document["services"]} == {
        name: "done" if name == "elasticsearch-setup" else "healthy" for name in SERVICES
    }


def test_up_again_must_change_nothing(full: DockerSandbox) -> None:
    """A second `up` must leave every container as it is."""
    before = full.containers()

    assert full.run("up", "-o", "json").ok().json["unchanged"]

    assert full.containers() == before


def test_an_event_must_be_found(full: DockerSandbox, row: dict[str, object]) -> None:
    """A prediction's event must be found in Elasticsearch by its request id."""
    status, answer, headers = post(f"{full.url}/predict", row)
    assert status == 200
    request_id = {name.lower(): value for name, value in headers.items()}["x-request-id"]

    event = wait_for(lambda: full.events("--request-id", request_id), what=f"the event of {request_id}")[0]

    assert event["sandbox.predictions"] == answer["predictions"]
    assert event["sandbox.version"] == "v1"


def test_containers_must_be_closed(full: DockerSandbox) -> None:
    """No container may run as root, write to its root, keep a capability, gain a privilege, be without limits or face the network."""
    for service in full.containers():
        document = full.inspect(service)
        host = document["HostConfig"]
        user = document["Config"]["User"].partition(":")[0]
        assert user not in {"", "0", "root"}, service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        bindings = [each for found in (host["PortBindings"] or {}).values() for each in found]
        assert {each["HostIp"] for each in bindings} == ({"127.0.0.1"} if service in PUBLISHED else set()), service


def test_stores_must_be_on_the_inner_network_alone(full: DockerSandbox) -> None:
    """Only what is published, and code of the user's, may be on a network that leads outside."""
    inner = json.loads(docker("network", "inspect", f"{full.name}_back"))[0]
    assert inner["Internal"]

    for service in full.containers():
        networks = set(full.inspect(service)["NetworkSettings"]["Networks"])
        assert networks == ({f"{full.name}_front", f"{full.name}_back"} if service in OUTSIDE else {f"{full.name}_back"}), service


def test_no_secret_must_be_seen(full: DockerSandbox) -> None:
    """The value of no secret may be in the description of a container, in what is rendered, or in what services write."""
    secrets = [path.read_text().strip() for path in (full.root / ".sandbox/secrets").iterdir()]
    assert secrets
    seen = [docker("inspect", *full.containers().values()), full.run("logs", "-n", "10000").ok().out]
    seen += [
        path.read_text(errors="replace") for path in (full.root / ".sandbox/stack").rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]

    assert not [secret for secret in secrets for text in seen if secret in text]


@pytest.fixture(scope="module")
def traffic(full: DockerSandbox, row: dict[str, object]) -> None:
    """Requests of every kind, and labels, over several scrapes: a counter needs some samples to have a rate."""
    url = full.url
    labels = itertools.cycle([0, 1])

    def seen() -> bool:
        status, answer, _ = post(f"{url}/predict", row)
        assert status == 200
        label = {"request_id": answer["request_id"], "row": 0, "label": next(labels)}
        assert post(f"{url}/feedback", label)[0] == 202
        assert post(f"{url}/predict", {"rows": [row, row]})[0] == 200
        assert post(f"{url}/predict", {"nonsense": 1})[0] == 422
        return bool(full.query('count_over_time(sandbox_requests_total{route="/predict",code="422"}[1m]) >= 5'))

    seen()  # and once more at least, whatever was counted before: without both labels there is nothing to rank
    wait_for(seen, every=0.5, what="five scrapes of counted requests")


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("panel", panel_queries(), ids=str)
def test_every_panel_must_show_data(full: DockerSandbox, panel: PanelQuery) -> None:
    """Each query of each panel must return data after traffic; those of what this stack does not have must at least be understood."""
    if panel.needs in {"alibi", "log-store", "challenger"}:
        full.query(panel.expr)
    else:
        wait_for(lambda: full.query(panel.expr), every=1, what=f"data for {panel.expr}")


def test_grafana_must_have_dashboards_and_deployments(full: DockerSandbox) -> None:
    """Grafana must serve the overview without a login, and hold the mark of the version that was brought up."""
    base = full.link("grafana").partition("/d/")[0]

    assert get(f"{base}/api/dashboards/uid/sandbox-overview")[0] == 200
    annotations = json.loads(get(f"{base}/api/annotations")[1])
    assert [each for each in annotations if "v1" in each["text"]]
