"""What the champion's /metrics tell of a challenger, read back from what the service itself writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mlsandbox.actions.challenger_status import ChallengerSeen, challenger_seen
from mlsandbox.actions.sight import Sight
from mlsandbox.actions.status import _versions
from mlsandbox.engines.asking import Answered
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.errors import NotRunning
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Route
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.challenger_measures import Mode, Result
from mlsandbox_serving.service.measures import Measures
from support.fake_engine import FakeEngine


def test_what_the_service_counts_is_read() -> None:
    """Requests, copies and rows of each challenger must be read as they were counted."""
    registry = CollectorRegistry()
    measures = Measures(Identity("churn", "v1", "sha256:0"), "sklearn", registry, limit=4)
    second, third = measures.challenger("v2"), measures.challenger("v3")
    for _ in range(3):
        second.count(Mode.SPLIT, Result.ANSWERED)
    second.count(Mode.SPLIT, Result.TIMEOUT)
    second.count(Mode.SHADOW, Result.FAILED)
    third.count(Mode.SHADOW, Result.ANSWERED)
    third.compared(19, 1)

    first, other = challenger_seen(generate_latest(registry).decode())

    assert first == ChallengerSeen("churn", "v1", "v2", {"answered": 3, "timeout": 1}, {"failed": 1}, 0, 0)
    assert (first.agreement, first.failed) == (None, 2)
    assert other == ChallengerSeen("churn", "v1", "v3", {}, {"answered": 1}, 19, 1)
    assert (other.agreement, other.failed) == (0.95, 0)


class Asked(FakeEngine):
    """An engine whose services answer this text, or are not there."""

    text: str | None = None

    def ask(self, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout: float = 30.0) -> Answered:
        assert (service, method, path, dict(headers), body) == ("api-v1", "GET", Route.METRICS, {}, b"")
        assert timeout <= 1.0
        if self.text is None:
            raise NotRunning(f"{service} does not answer", fix="start it: sandbox up")
        return Answered(200, {}, self.text.encode())


@pytest.mark.parametrize("answers", [True, False])
def test_status_asks_the_champion(tmp_path: Path, *, answers: bool) -> None:
    """What the champion counted must be told with its challenger; when it does not answer, the challenger without it."""
    registry = CollectorRegistry()
    measures = Measures(Identity("churn", "v1", "sha256:0"), "sklearn", registry, limit=4)
    measures.challenger("v2").compared(19, 1)
    engine = Asked(tmp_path)
    engine.text = generate_latest(registry).decode() if answers else None
    observed = Observed(
        running=True,
        services=tuple(ObservedService(name, State.READY, "digest") for name in ("api-v1", "api-v2")),
        fronts=(ObservedFront("api", 7310, "api-v1"),),
    )
    beside = {"churn": {"v2": {"role": "challenger", "percent": 0.0, "shadow": True}}}
    remembered = Remembered(ports={"api": 7310}, served={"churn": "v1"}, beside=beside)

    champion, challenger = _versions(Sight(tmp_path, engine, observed, remembered))

    assert (champion.version, champion.tried) == ("v1", None)
    assert challenger.version == "v2"
    assert challenger.tried == (ChallengerSeen("churn", "v1", "v2", {}, {}, 19, 1) if answers else None)


def test_a_service_without_a_challenger() -> None:
    """Without a challenger there must be nothing to tell."""
    registry = CollectorRegistry()
    Measures(Identity("churn", "v1", "sha256:0"), "sklearn", registry, limit=4)

    assert challenger_seen(generate_latest(registry).decode()) == ()


def test_whatever_a_port_answers() -> None:
    """What is no text of metrics must be passed over."""
    name = "sandbox_challenger_requests_total"
    lines = ["", "<html>", f"{name}{{", f"{name}{{}} ", f"{name}{{}} x", f'{name}{{mode="split"}} inf', f"{name} 3"]

    assert challenger_seen("\n".join(lines)) == ()
