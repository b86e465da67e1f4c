"""What is exported is held to a cluster by way of the real kubectl; the cluster is a stand-in, what answers behind it a real model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlsandbox.actions.prove import Step
from mlsandbox.actions.prove_holder import this_process
from mlsandbox.actions.prove_space import ENDS, HOLDER, LABEL, PREFIX, PROJECT
from mlsandbox.errors import ClusterUnavailable, ProgramMissing
from mlsandbox.render.kubernetes.bundle import Manifest
from support.event_processes import free_port
from support.kubernetes import CONTEXT, Server, serving, write_config
from support.proved import GROUPS, NAME, Place
from support.waiting import wait_for

Pointed = Callable[[Server], None]


def pod_spec(objects: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    return spec


def left_over(server: Server) -> set[str]:
    return {name for name in server.namespaces() if name.startswith(PREFIX)}


def running(server: Server) -> list[str]:
    """Programs that were pointed at the server and are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KUBECONFIG") == str(server.config):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_cluster_without_nodes_must_be_asked_by_a_dry_run_alone(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, groups=GROUPS) as server:
        pointed(server)
        result = place.proved(context=CONTEXT)

        assert result.findings == []
        assert (result.ready_nodes, result.applied, result.models) == (0, 0, [])
        assert result.checked > 20
        assert result.pods >= 3
        assert "only the dry run" in " ".join(result.left_out)
        assert left_over(server) == set()
        changes = [each for each in server.requests() if each.startswith(("PATCH", "POST")) and "dryRun=All" not in each]
        assert all("/serviceaccounts/" in each or each == "POST /api/v1/namespaces" for each in changes), changes


def test_a_cluster_with_a_node_must_answer_as_here(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}) as server:
        pointed(server)
        result = place.proved()

        assert result.findings == []
        (model,) = result.models
        rows = len(json.loads(place.golden.read_text(encoding="utf-8"))["predictions"])
        assert (model.model, model.version, model.golden_rows, model.differing) == (NAME, "v1", rows, 0)
        assert model.metrics
        assert result.applied > 5
        assert result.verdict == f"proven, but for: events of {NAME}"
        assert any(each.startswith(f"events of {NAME}: no Elasticsearch") for each in result.left_out)
        assert left_over(server) == set()


def test_a_key_must_be_made_where_models_ask_for_one(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}) as server:
        pointed(server)
        result = place.proved(chosen=("api-keys",))

        assert result.findings == []
        assert any(each.startswith("PATCH") and "/secrets/api-keys" in each for each in server.requests())


def test_a_kind_that_is_not_served_must_be_told_with_what_to_install(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, groups=[each for each in GROUPS if each != "keda.sh"]) as server:
        pointed(server)
        used, unused = place.proved(chosen=("keda",)), place.proved()

        (finding,) = used.findings
        assert (finding.step, finding.subject) == (Step.SERVED, "ScaledObject (component keda)")
        assert "install KEDA" in finding.fix
        assert "--without keda" in finding.fix
        assert used.checked > 20  # the rest goes on
        assert unused.findings == []
        assert any("ScaledObject" in each for each in unused.left_out)


def test_a_pod_that_the_admission_refuses_must_be_found(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    objects = place.objects()
    pod_spec(objects)["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with serving(tmp_path) as server:
        pointed(server)
        result = place.proved_objects(objects)

        warned, refused = result.findings
        assert (warned.step, warned.subject) == (Step.DRY_RUN, f"Deployment {NAME}")
        assert warned.message.startswith("warning: would violate PodSecurity")
        assert (refused.step, refused.subject) == (Step.POD, f"a pod of Deployment {NAME}")
        assert "allowPrivilegeEscalation != false" in refused.message


def test_an_unknown_field_must_be_named_with_its_object(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    objects = place.objects()
    pod_spec(objects)["containers"][0]["readinesProbe"] = {}
    with serving(tmp_path) as server:
        pointed(server)
        result = place.proved_objects(objects)

        assert {each.subject for each in result.findings} == {f"Deployment {NAME}", f"a pod of Deployment {NAME}"}
        assert all("readinesProbe" in each.message for each in result.findings)


def test_a_newer_kubernetes_than_the_clusters_must_be_found(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, release="1.30", groups=GROUPS) as server:
        pointed(server)
        (finding,) = place.proved().findings

        assert finding.fix == "sandbox export k8s --k8s-version 1.30"


def test_a_pod_that_is_never_ready_must_be_told_with_reason_and_lines(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    stuck = {
        "container": "server",
        "reason": "ImagePullBackOff",
        "message": "no such image",
        "log": "one\ntwo\n",
        "event": "Failed to pull",
    }
    with serving(tmp_path, groups=GROUPS, nodes=1, stuck={NAME: stuck}) as server:
        pointed(server)
        began = time.monotonic()
        result = place.proved(timeout=8)

        (finding,) = result.findings
        assert (finding.step, finding.subject) == (Step.READY, f"Deployment {NAME}")
        assert "container server: ImagePullBackOff: no such image" in finding.message
        assert "Failed to pull" in finding.message
        assert finding.lines == ("server: one", "server: two")
        assert left_over(server) == set()
        assert time.monotonic() - began < 60


def test_answers_that_differ_must_be_found(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    text = place.golden.read_text(encoding="utf-8")
    golden = json.loads(text)
    golden["predictions"][1] = "no" if golden["predictions"][1] == "yes" else "yes"
    place.golden.write_text(json.dumps(golden), encoding="utf-8")
    try:
        with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}) as server:
            pointed(server)
            result = place.proved()
    finally:
        place.golden.write_text(text, encoding="utf-8")

    (finding,) = result.findings
    assert (finding.step, finding.subject) == (Step.GOLDEN, f"Service {NAME}")
    assert "1 of " in finding.message
    assert "row 1: predictions" in finding.message
    assert result.models[0].differing == 1


def test_metrics_that_are_missing_must_be_found(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    missing = {"path": "/proxy/metrics$", "status": 404, "message": "no metrics"}
    with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}, faults=[missing]) as server:
        pointed(server)
        result = place.proved()

        assert [(each.step, each.message) for each in result.findings] == [(Step.METRICS, "/metrics answers 404: no metrics")]


def test_the_namespace_must_be_gone_when_a_proof_is_ended(place: Place, tmp_path: Path) -> None:
    stuck = {"container": "server", "reason": "CrashLoopBackOff", "message": "back-off"}
    with serving(tmp_path, groups=GROUPS, nodes=1, stuck={NAME: stuck}) as server:
        tests = Path(__file__).parents[2]
        environ = {**os.environ, "KUBECONFIG": str(server.config), "PYTHONPATH": str(tests)}
        command = [sys.executable, "-m", "support.proving", str(place.project.root)]
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, None)):
            process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            asked = len(server.requests())

            def waits(asked: int = asked) -> bool:
                return any("/deployments/" in each and each.startswith("GET") for each in server.requests()[asked:])

            wait_for(waits, what="it waits for pods")
            assert len(left_over(server)) == 1
            process.send_signal(number)
            said, _ = process.communicate(timeout=60)

            assert left_over(server) == set(), said
            assert code is None or process.returncode == code, said
            assert "Removed the namespace" in said
            assert not running(server)


def test_what_a_killed_proof_left_must_be_removed_and_nothing_else(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    label, later = {LABEL: "true"}, str(int(time.time()) + 3600)
    elsewhere = {HOLDER: "another-host/1", ENDS: later}
    with serving(tmp_path) as server:
        pointed(server)
        server.make_namespace(f"{PREFIX}00000001", labels=label, annotations={PROJECT: "toys", ENDS: "1"})
        server.make_namespace(f"{PREFIX}00000002", labels=label, annotations={PROJECT: "others", ENDS: "1"})
        server.make_namespace(f"{PREFIX}00000003", labels=label, annotations={PROJECT: "toys", **elsewhere})
        server.make_namespace(f"{PREFIX}00000004", labels={}, annotations={PROJECT: "toys", ENDS: "1"})
        server.make_namespace("mine", labels=label, annotations={PROJECT: "toys", ENDS: "1"})
        place.proved_objects(place.objects())

        assert left_over(server) == {f"{PREFIX}00000002", f"{PREFIX}00000003", f"{PREFIX}00000004"}
        assert "mine" in server.namespaces()


def test_what_a_process_left_that_is_gone(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    """The time of a proof need not be over when its very process is gone; a process elsewhere that has the same number is another one."""
    later = str(int(time.time()) + 3600)
    mine = this_process().split("/")
    holders = {
        "gone": "/".join((*mine[:3], "1")),
        "alive": "/".join(mine),
        "another-container": "/".join((mine[0], "1", "4194304", "1")),
        "another-boot": "/".join(("00000000", mine[1], "4194304", "1")),
        "unknown": "",
    }
    ends = {"clocks-differ": str(int(time.time()) - 30), "over": str(int(time.time()) - 90)}
    with serving(tmp_path) as server:
        pointed(server)
        for name, holder in holders.items():
            server.make_namespace(f"{PREFIX}{name}", labels={LABEL: "true"}, annotations={PROJECT: "toys", HOLDER: holder, ENDS: later})
        for name, end in ends.items():
            server.make_namespace(f"{PREFIX}{name}", labels={LABEL: "true"}, annotations={PROJECT: "toys", ENDS: end})
        server.make_namespace(f"{PREFIX}nobody-knows", labels={LABEL: "true"}, annotations={PROJECT: "toys"})
        place.proved_objects([])

        there = {"alive", "another-container", "another-boot", "unknown", "clocks-differ", "nobody-knows"}
        assert left_over(server) == {f"{PREFIX}{name}" for name in there}


def test_an_api_server_alone_must_be_left_as_it_was(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, controllers=False) as server:
        pointed(server)
        result = place.proved_objects(place.objects())

        assert result.findings == []
        assert left_over(server) == set()
        assert any(each.endswith("/finalize") for each in server.requests())


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ({"path": "/version", "status": 401, "message": "Unauthorized"}, "the cluster does not know you"),
        ({"path": "/api/v1/namespaces$", "method": "POST", "status": 403, "message": "forbidden: User x"}, "does not let you do"),
        ({"path": "/version", "status": 500, "message": "etcd is down"}, "the cluster refused"),
        ({"path": "/version", "status": 0}, "the cluster cannot be reached"),
        ({"path": "/configmaps/", "status": 0}, "the cluster cannot be reached"),
    ],
    ids=["unknown-user", "forbidden", "broken", "hangs-up", "hangs-up-later"],
)
def test_a_cluster_that_does_not_let_us_must_be_told_with_why(
    place: Place, pointed: Pointed, tmp_path: Path, fault: dict[str, Any], what: str
) -> None:
    with serving(tmp_path, faults=[fault]) as server:
        pointed(server)
        with pytest.raises(ClusterUnavailable) as caught:
            place.proved_objects(place.objects())

        assert what in caught.value.what
        assert caught.value.why
        assert "kubectl" in caught.value.fix
        assert left_over(server) == set()


def test_an_object_that_a_webhook_fails_on_must_be_a_finding(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    fault = {"path": f"/services/{NAME}", "status": 500, "message": "Internal error occurred: failed calling webhook"}
    with serving(tmp_path, faults=[fault]) as server:
        pointed(server)
        (finding,) = place.proved_objects(place.objects()).findings

        assert (finding.subject, finding.message) == (f"Service {NAME}", fault["message"])


def test_no_cluster_must_be_told_with_why(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_config(tmp_path / "kubeconfig", free_port())))
    with pytest.raises(ClusterUnavailable, match="the cluster cannot be reached") as unreachable:
        place.proved_objects(place.objects())
    with pytest.raises(ClusterUnavailable, match="there is no context nowhere") as unknown:
        place.proved(context="nowhere")

    assert "connection refused" in unreachable.value.why
    assert unknown.value.fix == "see which there are: kubectl config get-contexts"


def test_a_context_without_a_login_must_be_told_in_kubectls_words(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = write_config(tmp_path / "kubeconfig", free_port())
    config.write_text(config.read_text().replace("http://", "https://"))
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(ClusterUnavailable) as caught:
        place.proved_objects(place.objects())

    assert "Please enter Username" in caught.value.why


def test_a_machine_without_kubectl_must_be_told_how_to_get_it(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="kubectl was not found") as caught:
        place.proved()

    assert "https://kubernetes.io/docs/tasks/tools" in caught.value.fix
