"""Text of stacks, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mlsandbox.actions.challenger_status import ChallengerSeen
from mlsandbox.actions.env import variables
from mlsandbox.actions.outcomes import (
    DownAllResult,
    DownResult,
    GoldenSummary,
    PlannedStep,
    ServiceState,
    SmokePrediction,
    StackEntry,
    StackList,
    StatusResult,
    UpResult,
    VersionState,
)
from mlsandbox.actions.predict import Prediction
from mlsandbox.actions.status import alert_warnings
from mlsandbox.alerts import ActiveAlerts, Alert
from mlsandbox.engines.base import Keeping, Kept
from mlsandbox.output import Paint
from mlsandbox.views.down import down_all_text, down_text
from mlsandbox.views.logs import event_text
from mlsandbox.views.predict import prediction_text
from mlsandbox.views.status import list_text, status_text
from mlsandbox.views.up import up_text

PLAIN = Paint(on=False)
URL = "http://127.0.0.1:7310"
UP = UpResult(
    project="churn",
    engine="embedded",
    model="churn",
    version="v1",
    digest="sha256:9f2c",
    endpoints={"api": URL},
    services=(ServiceState("api-v1", "healthy", change="created"), ServiceState("log-store", "healthy", change="unchanged")),
    smoke=SmokePrediction("leaves", 0.83, 0.0041, {"age": 40.0}),
    golden=GoldenSummary(50, 48),
    curl=f"curl -s {URL}/predict -d '{{}}'",
    elapsed=12.3,
)


def test_a_new_stack() -> None:
    """`up` must show address, services, golden rows, a real prediction, one line of curl, and what to do next."""
    assert up_text(UP, PLAIN) == (
        "  churn v1 is up · 12s\n"
        "\n"
        f"  API         {URL:<40} OpenAPI at /docs.json, metrics at /metrics\n"
        "  Logs        sandbox logs -f, sandbox logs --requests\n"
        "  Services    api-v1 created, log-store unchanged\n"
        "  Golden rows 50 of 50 reproduced, 48 bit for bit\n"
        '  Prediction  "leaves", p=0.83 in 4.1 ms, for the example row\n'
        "\n"
        f"  Try   curl -s {URL}/predict -d '{{}}'\n"
        "\n"
        "  Next  sandbox predict --example\n"
        "        sandbox down    stop; data is kept in .sandbox/"
    )


def test_a_stack_that_lost_a_service() -> None:
    """`up` must name services that it removed, and with containers say that data is in volumes, too."""
    text = up_text(replace(UP, engine="docker", plan=(PlannedStep("stop", "grafana", "not wanted"),)), PLAIN)

    assert "  Services    api-v1 created, log-store unchanged, grafana removed\n" in text
    assert text.endswith("data is kept in .sandbox/ and in volumes of Docker")


def test_pages_of_a_stack() -> None:
    """`up` must show where dashboards, Prometheus and alerts are, and name every dashboard."""
    grafana = "http://127.0.0.1:7312"
    pages = {
        "grafana": f"{grafana}/d/sandbox-overview",
        "drift-dashboard": f"{grafana}/d/sandbox-drift",
        "alertmanager": "http://127.0.0.1:7314",
    }

    lines = up_text(replace(UP, links=pages), PLAIN).splitlines()

    assert f"  Grafana     {grafana}/d/sandbox-overview also /d/sandbox-drift" in lines
    assert "  Alerts      http://127.0.0.1:7314" in lines


def test_a_stack_that_was_not_waited_for() -> None:
    """Nothing may be called up before it has answered a prediction."""
    text = up_text(replace(UP, smoke=None, golden=None, curl=None), PLAIN)

    assert text.splitlines()[0] == "  churn v1 is starting, and has not answered yet · 12s"
    assert "sandbox status --wait healthy" in text


def test_a_wide_row_does_not_fill_the_screen() -> None:
    """A request of hundreds of columns must be named by the command that prints it."""
    assert "  Try   sandbox predict --example --curl\n" in up_text(replace(UP, curl="curl " + "x" * 2000), PLAIN)


def test_an_unchanged_stack() -> None:
    """A second `up` must say in its first line that nothing had to be done."""
    text = up_text(replace(UP, unchanged=True, elapsed=0.21), PLAIN)

    assert text.splitlines()[0] == "churn v1 is already running · embedded · nothing to do   (0.2s)"
    assert "log-store unchanged" in text


def test_a_dry_run() -> None:
    """A dry run must show each step with its reason."""
    text = up_text(replace(UP, dry_run=True, plan=(PlannedStep("restart", "api-v1", "changed: SANDBOX_WORKERS 1 -> 2"),)), PLAIN)

    assert "nothing was changed" in text
    assert "  restart   api-v1: changed: SANDBOX_WORKERS 1 -> 2" in text


def test_status() -> None:
    """The state of each service must be a word, and what needs attention come last."""
    services = (ServiceState("api-v1", "restarting", port=7320, restarts=2, memory_bytes=190_000_000, reason="exit code 1"),)
    result = StatusResult("churn", "embedded", "degraded", "v1", None, {"api": URL}, services, ("api-v1 is restarting: exit code 1",))

    lines = status_text(result, PLAIN).splitlines()

    assert lines[0] == "churn v1 · embedded · degraded"
    assert lines[3].split() == ["api-v1", "restarting", "7320", "2", "190", "MB"]
    assert lines[-1] == "  attention: api-v1 is restarting: exit code 1"


def test_status_of_a_whole_stack() -> None:
    """What ran once must be told as done, and the pages of other programs stand below the API with room for their names."""
    services = (ServiceState("elasticsearch-exporter", "healthy", restarts=1), ServiceState("elasticsearch-setup", "done"))
    links = {"grafana": "http://127.0.0.1:7312", "alertmanager": "http://127.0.0.1:7314"}
    result = StatusResult("churn", "docker", "healthy", "v1", None, {"api": URL}, services, links=links)

    assert status_text(result, PLAIN).splitlines()[2:] == [
        "  service                 state    since  port  restarts  memory",
        "  elasticsearch-exporter  healthy               1",
        "  elasticsearch-setup     done",
        "",
        f"  api          {URL}",
        "  grafana      http://127.0.0.1:7312",
        "  alertmanager http://127.0.0.1:7314",
    ]


def test_status_says_who_answers() -> None:
    """Of each model it must say who answers, and what runs beside it and why; of one version of one model the first line is enough."""
    champion = VersionState("churn", "v2", "champion", "api-v2", "healthy")
    standby = VersionState("churn", "v1", "standby", "api-v1", "healthy")
    share = VersionState("churn", "v3", "challenger", "api-v3", "healthy", percent=12.5)
    shadow = VersionState("churn", "v4", "challenger", "api-v4", "healthy", percent=0.0, shadow=True)
    other = VersionState("wine", "v1", "champion", "api-wine-v1", "healthy")

    def told(*versions: VersionState) -> list[str]:
        result = StatusResult("churn", "embedded", "healthy", "v2", None, {}, (), versions=versions)
        return [line.strip() for line in status_text(result, PLAIN).splitlines() if line.strip()][1:]

    assert told(champion) == []
    assert told(champion, standby, other) == ["churn: v2 answers, v1 stands by", "wine: v1 answers"]
    assert told(champion, share) == ["churn: v2 answers, v3 is tried on 12.5 % of the requests"]
    assert told(champion, shadow) == ["churn: v2 answers, v4 is tried on copies of all requests"]
    seen = ChallengerSeen("churn", "v2", "v4", {"answered": 118, "failed": 1, "timeout": 1}, {"answered": 5, "failed": 2}, 1_229, 5)
    assert told(champion, replace(shadow, tried=seen)) == [
        "churn: v2 answers, v4 is tried on copies of all requests: 1,234 rows compared, 0.405 % different, 2 copies failed"
    ]
    assert told(champion, replace(shadow, tried=replace(seen, same=0, different=0, shadow={}))) == [
        "churn: v2 answers, v4 is tried on copies of all requests: 0 rows compared"
    ]
    assert told(champion, replace(share, tried=seen)) == [
        "churn: v2 answers, v3 is tried on 12.5 % of the requests: answered 118 of 120, 2 failed"
    ]
    assert told(standby) == ["churn: v1 stands by"]


def test_alerts_need_attention() -> None:
    """An active alert must be a sentence with its severity and where it says what to do; so must not knowing of any."""
    alert = Alert(
        "ServiceDown", "critical", "api-v1", None, datetime(2026, 1, 1, tzinfo=UTC), "api-v1 is down", "for 2 m", "docs/runbook.md#x"
    )

    assert alert_warnings(ActiveAlerts((alert,))) == (
        "alert ServiceDown (critical, api-v1): api-v1 is down; what to do: sandbox help ServiceDown",
    )
    for service, model, about in (
        ("shipper", "wine", "shipper"),
        ("api-wine-v2", "wine", "wine v2"),
        ("api-v1", "wine", "wine v1"),
        (None, "wine", "wine"),
    ):
        assert f"(critical, {about})" in alert_warnings(ActiveAlerts((replace(alert, service=service, model=model),)))[0]
    assert alert_warnings(ActiveAlerts(problem="no answer")) == ("alerts are not known: no answer",)
    assert alert_warnings(ActiveAlerts()) == ()


def test_meaning_is_in_words() -> None:
    """Colour must add nothing but colour."""
    services = (ServiceState("api-v1", "unhealthy"),)
    result = StatusResult("churn", "embedded", "degraded", None, None, {}, services)
    coloured = status_text(result, Paint(on=True))
    for code in ("0", "1", "2", "31", "32", "33", "36"):
        coloured = coloured.replace(f"\x1b[{code}m", "")

    assert coloured == status_text(result, PLAIN)


def test_down() -> None:
    """`down` must say what stopped, what is kept and how to delete it, and nothing to stop must be no error."""
    kept: Mapping[str, int] = {"packages": 12_000_000}

    assert down_text(DownResult("churn", ("api-v1", "shipper"), kept, elapsed=3.14)) == (
        "Stopped 2 services in 3.1s: api-v1, shipper\nKept: packages 12 MB (delete with: sandbox down --volumes)"
    )
    assert down_text(DownResult("churn", (), {})) == "nothing to stop"
    both = DownAllResult((DownResult("churn", ("api-v1",), {}, elapsed=1.0), DownResult("iris", (), {"events": 10})))
    assert down_all_text(both) == "churn: Stopped 1 service in 1.0s: api-v1\n1 more was not running"
    told = down_all_text(DownAllResult((DownResult("churn", ("api-v1",), {"events": 10}),)))
    assert told.endswith("Kept: events 10 B\nDelete what is kept of all of them with: sandbox down --all --volumes")
    assert "would remove" in down_text(DownResult("churn", (), {}, ("data",), dry_run=True))


def test_down_of_containers() -> None:
    """Volumes and images must be listed beside the folder's sizes, both when they are kept and when they are removed."""
    outside = (
        Kept(Keeping.VOLUME, "churn_spool"),
        Kept(Keeping.VOLUME, "churn_prometheus"),
        Kept(Keeping.IMAGE, "churn/model:v1", 480_000_000),
    )

    assert down_text(DownResult("churn", ("api",), {"packages": 12_000_000}, kept_outside=outside, elapsed=1.0)) == (
        "Stopped 1 service in 1.0s: api\n"
        "Kept: packages 12 MB\n"
        "      volumes churn_spool, churn_prometheus\n"
        "      images churn/model:v1 480 MB (delete with: sandbox down --volumes)"
    )
    removed = DownResult("churn", (), {}, ("data", "logs"), removed_outside=outside[:2], kept_outside=outside[2:])
    assert down_text(removed) == (
        "nothing to stop\n"
        "Removed everything in .sandbox: data, logs\n"
        "Removed volumes churn_spool, churn_prometheus\n"
        "Kept: images churn/model:v1 480 MB"
    )


def test_shared_images_of_down() -> None:
    """What all projects share must be listed with the command that deletes it, and once where all stacks are told."""
    store = Kept(Keeping.SHARED, "mlsandbox/services/log-store:1f", 200_000_000)
    of_one = DownResult("churn", ("api",), {}, ("data",), kept_outside=(store,), elapsed=1.0)

    assert down_text(of_one).splitlines()[-1] == (
        "Kept: shared images mlsandbox/services/log-store:1f 200 MB (delete with: sandbox down --all --volumes)"
    )
    many = replace(of_one, kept_outside=(store,) * 5)
    assert down_text(many).splitlines()[-1].count("log-store:1f 200 MB") == 3
    assert ", and 2 more (delete with" in down_text(many)
    assert down_all_text(DownAllResult((of_one,), (store,))).splitlines() == [
        "churn: Stopped 1 service in 1.0s: api",
        "Removed everything in .sandbox: data",
        "Removed shared images mlsandbox/services/log-store:1f 200 MB",
    ]
    assert down_all_text(DownAllResult((), (store,), dry_run=True)).splitlines() == [
        "nothing to stop: no stacks on this machine",
        "would remove shared images mlsandbox/services/log-store:1f 200 MB",
    ]


def test_lists_and_predictions() -> None:
    """Lists must be tables, predictions one per line with what answered last."""
    assert list_text(StackList((StackEntry("a", Path("/p/a"), "embedded", "stopped", None),)), PLAIN).splitlines()[1].split() == [
        "a",
        "embedded",
        "stopped",
        "/p/a",
    ]
    assert list_text(StackList(), PLAIN) == "no stacks on this machine"
    answer = Prediction("churn", "v1", "id", ("leaves", 3), ((0.2, 0.8), (1.0, 0.0)), 0.0123)
    assert prediction_text(answer, PLAIN, timed=True).splitlines()[-1] == "churn v1 in 12.3 ms · request id"


def test_events() -> None:
    """An event must be one line, an error's with its code and message."""
    common = {"@timestamp": "T", "sandbox.model": "churn", "sandbox.version": "v1", "http.request.id": "id", "event.duration": 2_100_000}
    good = {
        **common,
        "event.dataset": "sandbox.prediction",
        "http.response.status_code": 200,
        "sandbox.rows": 1,
        "sandbox.predictions": ["leaves"],
    }
    bad = {
        **common,
        "event.dataset": "sandbox.error",
        "http.response.status_code": 422,
        "error.code": "SCHEMA_MISMATCH",
        "error.message": "row 0",
    }

    assert event_text(good, PLAIN) == "T  200  churn v1  1 row -> leaves  2.1 ms  id"
    assert event_text(bad, PLAIN) == "T  422  churn v1  SCHEMA_MISMATCH: row 0  2.1 ms  id"


def test_variables() -> None:
    """The first model's address must be SANDBOX_URL, further ones carry their model's name."""
    assert variables({"api": "a", "api-house-price": "b"}) == {"SANDBOX_URL": "a", "SANDBOX_URL_HOUSE_PRICE": "b"}
