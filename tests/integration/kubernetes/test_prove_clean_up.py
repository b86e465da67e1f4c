"""The namespace of a proof goes, whatever is between: asked of a stand-in for a cluster by way of the real kubectl."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.prove_result import ProveResult
from mlsandbox.actions.prove_space import PREFIX, new_name, throw_away
from mlsandbox.errors import ClusterUnavailable
from mlsandbox.kubernetes_api import Deadline, connect
from mlsandbox.output import Output
from mlsandbox.progress import PlainReport
from support.kubernetes import Server, serving

Pointed = Callable[[Server], None]


def left_over(server: Server) -> set[str]:
    return {name for name in server.namespaces() if name.startswith(PREFIX)}


def test_another_namespace_of_the_same_name_must_stay(pointed: Pointed, tmp_path: Path) -> None:
    """What somebody else has made under the name of a proof's namespace is not the proof's to remove."""
    result = ProveResult(None, "", new_name(), ready_nodes=1)
    with serving(tmp_path) as server:
        pointed(server)
        report = PlainReport(Output())
        with (
            connect(None, Deadline(60)) as cluster,
            throw_away(cluster, result.namespace, {}, project="toys", report=report, result=result),
        ):
            server.replace_namespace(result.namespace)

        assert result.findings == []
        assert left_over(server) == {result.namespace}


def test_a_namespace_whose_making_was_not_answered_must_go(pointed: Pointed, tmp_path: Path) -> None:
    """When the answer to its making is lost, the namespace must go, too."""
    result = ProveResult(None, "", new_name(), ready_nodes=1)
    with serving(tmp_path) as server:
        pointed(server)
        report = PlainReport(Output())
        with connect(None, Deadline(60)) as cluster:
            ask = cluster.ask

            def lost(method: str, path: str, *more: Any) -> Any:
                reply = ask(method, path, *more)
                if method == "POST":
                    raise ClusterUnavailable("the cluster does not answer", fix="kubectl cluster-info")
                return reply

            cluster.ask = lost  # type: ignore[method-assign,assignment]
            with (
                pytest.raises(ClusterUnavailable),
                throw_away(cluster, result.namespace, {}, project="toys", report=report, result=result),
            ):
                pass

        assert left_over(server) == set()


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "DELETE", "path": f"/namespaces/{PREFIX}", "times": 2},
        {"method": "DELETE", "path": f"/namespaces/{PREFIX}", "status": 500, "message": "etcdserver: leader changed", "times": 2},
        {"method": "GET", "path": f"/namespaces/{PREFIX}", "times": 2},
        {"method": "GET", "path": f"/namespaces/{PREFIX}", "status": 429, "message": "too many requests", "times": 2},
    ],
    ids=["hangs-up", "broken", "hangs-up-later", "busy"],
)
def test_what_passes_must_not_keep_the_namespace(pointed: Pointed, tmp_path: Path, fault: dict[str, Any]) -> None:
    """A cluster that does not answer for a moment must be asked again until the namespace is gone."""
    result = ProveResult(None, "", new_name(), ready_nodes=1)
    with serving(tmp_path, faults=[fault]) as server:
        pointed(server)
        report = PlainReport(Output())
        with (
            connect(None, Deadline(60)) as cluster,
            throw_away(cluster, result.namespace, {}, project="toys", report=report, result=result),
        ):
            pass

        assert result.findings == []
        assert left_over(server) == set()


def test_a_namespace_that_may_not_be_removed_must_be_told_at_once(
    pointed: Pointed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal does not pass: nobody must wait, and what is said must be how long somebody did."""
    result = ProveResult(None, "", new_name(), ready_nodes=1)
    refusal = {"method": "DELETE", "path": f"/namespaces/{PREFIX}", "status": 403, "message": "forbidden: User x"}
    with serving(tmp_path, faults=[refusal]) as server:
        pointed(server)
        report = PlainReport(Output())
        with (
            connect(None, Deadline(60)) as cluster,
            throw_away(cluster, result.namespace, {}, project="toys", report=report, result=result),
        ):
            pass

    (finding,) = result.findings
    seconds = re.fullmatch(r"it is not gone after (\d+) s: .*forbidden: User x", finding.message)
    assert seconds is not None, finding.message
    assert int(seconds[1]) < 60
    assert finding.fix == f"kubectl delete namespace {result.namespace}"
    assert finding.fix in capsys.readouterr().err


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_cleaning_up_must_leave_a_request_and_a_line(
    pointed: Pointed, tmp_path: Path, capsys: pytest.CaptureFixture[str], interrupt: type[BaseException]
) -> None:
    """Whoever interrupts the removal must find it asked for, and must be told how to do it by hand."""
    result = ProveResult(None, "", new_name(), ready_nodes=1)
    with serving(tmp_path) as server:
        pointed(server)
        report = PlainReport(Output())
        with connect(None, Deadline(60)) as cluster:
            ask, pressed = cluster.ask, iter((True,))

            def interrupted(method: str, path: str, *more: Any) -> Any:
                if method == "DELETE" and next(pressed, False):
                    raise interrupt
                return ask(method, path, *more)

            cluster.ask = interrupted  # type: ignore[method-assign,assignment]
            with (
                pytest.raises(interrupt),
                throw_away(cluster, result.namespace, {}, project="toys", report=report, result=result),
            ):
                pass

        assert f"kubectl delete namespace {result.namespace}" in capsys.readouterr().err
        assert left_over(server) == set()
