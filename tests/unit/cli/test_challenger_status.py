"""What the champion's /metrics tell of a challenger, read back from what the service itself writes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from mlsandbox.actions.challenger_status import ChallengerSeen, challenger_seen
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.challenger_measures import Mode, Result
from mlsandbox_serving.service.measures import Measures


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
