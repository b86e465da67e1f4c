"""What a stack gives Grafana, read as Grafana reads it: data sources, dashboards, settings, annotations."""

from __future__ import annotations

import base64
import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.pages import links
from mlsandbox.annotations import annotate
from mlsandbox.stack.components.grafana import DASHBOARDS, NATIVE_HOME
from support.monitoring import ask
from support.sandbox import get
from support.toys import free_ports
from support.waiting import HANG_SECONDS

from .conftest import Watched


def _as_admin(watched: Watched, path: str) -> Any:
    credentials = base64.b64encode(f"admin:{watched.password_file.read_text(encoding='utf-8').strip()}".encode()).decode()
    request = urllib.request.Request(f"http://127.0.0.1:{watched.grafana}{path}", headers={"Authorization": f"Basic {credentials}"})
    with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - the address of a stack under test
        return json.load(answer)


def test_everyone_finds_the_dashboards(watched: Watched) -> None:
    """Without a login each dashboard must be found by its uid, in the folder, as it is committed."""
    found = {each["uid"]: each for each in ask(watched.grafana, "/api/search", tag="sandbox")}

    assert set(found) == set(DASHBOARDS)
    assert {each["folderTitle"] for each in found.values()} == {"Sandbox"}
    assert ask(watched.grafana, "/api/dashboards/uid/sandbox-overview")["dashboard"]["title"] == "Sandbox / Overview"


def test_links_lead_to_pages(watched: Watched) -> None:
    """What `sandbox up` shows must answer."""
    shown = links(watched.ports, "127.0.0.1")

    assert list(shown) == ["grafana", "drift-dashboard", "runtime-dashboard", "pipeline-dashboard", "prometheus", "alertmanager"]
    assert {name: get(url)[0] for name, url in shown.items()} == dict.fromkeys(shown, 200)


def test_the_data_source_is_the_stacks_prometheus(watched: Watched) -> None:
    """Grafana must reach Prometheus at the address of this stack, and find no Elasticsearch in a stack without one."""
    (source,) = _as_admin(watched, "/api/datasources")

    assert (source["uid"], source["url"]) == ("sandbox-prometheus", f"http://127.0.0.1:{watched.ports['prometheus']}")
    assert _as_admin(watched, "/api/datasources/uid/sandbox-prometheus/health")["status"] == "OK"


def test_the_program_is_told_what_only_the_image_knows(watched: Watched) -> None:
    """A Grafana of this machine must learn its home and the admin's password file by arguments, and not read the machine's settings."""
    assert watched.argv.startswith(f"server --homepath {NATIVE_HOME} ")
    assert "--config /dev/null" in watched.argv
    assert f"cfg:security.admin_password=$__file{{{watched.password_file}}}" in watched.argv


def test_version_changes_are_marked(watched: Watched) -> None:
    """An annotation must arrive with its time, and with the tags that the dashboards show annotations by."""
    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert annotate(watched.grafana, watched.password_file, "churn v2", ["churn", "v2"], moment) is None

    (found,) = ask(watched.grafana, "/api/annotations", tags="sandbox")
    assert (found["text"], found["tags"], found["time"]) == (
        "churn v2",
        ["sandbox", "deploy", "churn", "v2"],
        int(moment.timestamp() * 1000),
    )


def test_a_failed_mark_says_why(watched: Watched, tmp_path: Path) -> None:
    """A wrong password, a missing one, or a Grafana that is away is a reason, never an exception."""
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n", encoding="utf-8")
    (nobody,) = free_ports(1)

    assert annotate(watched.grafana, wrong, "v2") == (
        f"Grafana refuses the admin's password in {wrong}: it keeps the one that it was first started with"
    )
    assert str(annotate(watched.grafana, tmp_path / "none", "v2")).startswith("the password of Grafana's admin cannot be read")
    assert str(annotate(nobody, wrong, "v2")).startswith(f"Grafana does not answer on port {nobody}: ")


def test_an_answer_that_is_no_http_is_a_reason(watched: Watched, tmp_path: Path) -> None:
    """Whatever else listens on that port, an annotation must not break what it marks."""
    password = tmp_path / "password"
    password.write_text("secret\n", encoding="utf-8")

    assert annotate(watched.ports["prometheus"], password, "v2") is not None


@pytest.mark.parametrize("path", ["/", "/d/sandbox-overview"])
def test_pages_need_no_login(watched: Watched, path: str) -> None:
    """Home page and dashboards must show without a login."""
    assert get(f"http://127.0.0.1:{watched.grafana}{path}")[0] == 200
