"""The drift service in a cluster: what it compares with, what it keeps, and how events come to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest
from mlsandbox.render.kubernetes.drift import PROFILES, drift_bundle, drift_images
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.render.kubernetes.resources import GIB, bytes_of
from mlsandbox.stack.spec import ProjectFile, ServiceEnvironment, StackSpec
from mlsandbox_serving.contract import Env
from mlsandbox_serving.drift_sidecar.settings import Source, parse_profiles
from mlsandbox_serving.spool.sink import parse_targets
from support.exported import exported, image, inputs
from support.manifests import containers, named, of_kind, pod, served, workloads

NATIVE = ("drift", "fluentd", "log-store")


def bundle(case: str = "two-models", **changes: Any) -> tuple[StackSpec, ExportFacts, Bundle]:
    spec, facts = inputs(case, whole=True)
    facts = replace(facts, **changes)
    return spec, facts, drift_bundle(spec, facts)


def with_alibi(spec: StackSpec) -> StackSpec:
    """The same stack as if alibi-detect had been asked for."""
    changed = replace(
        spec.service("drift"),
        environment=ServiceEnvironment("drift-alibi"),
        env={**spec.service("drift").env, Env.DRIFT_ENGINES: "native,alibi", Env.DRIFT_DETECTORS: "[]", "OMP_NUM_THREADS": "1"},
    )
    return replace(spec, services=tuple(changed if each.name == "drift" else each for each in spec.services))


def the(made: Bundle, kind: str) -> Manifest:
    (found,) = of_kind(made.objects, kind)
    return found


def config(made: Bundle) -> dict[str, str]:
    (found,) = made.configs
    return dict(found.data)


def variable(container: Manifest, name: str) -> Any:
    (found,) = [each for each in container["env"] if each["name"] == name]
    return found.get("value", found.get("valueFrom"))


def test_each_model_hands_out_its_profile() -> None:
    """Before the service, the image of each model must run once, and leave its profile where the service looks for it."""
    _, facts, made = bundle()
    deployment = the(made, "Deployment")
    first, second = pod(deployment)["initContainers"]
    (service,) = pod(deployment)["containers"]

    assert (first["image"], second["image"]) == (facts.images["churn"], facts.images["fraud"])
    assert {tuple(each["args"]) for each in (first, second)} == {("-m", "mlsandbox_serving.hand_out", PROFILES)}
    assert all("restartPolicy" not in each and "envFrom" not in each for each in (first, second))
    assert variable(first, "PYTHONPATH") == "/home/bentoml/bento/src"
    assert [each["mountPath"] for each in first["volumeMounts"]] == [PROFILES]
    assert {"name": "profiles", "mountPath": PROFILES, "readOnly": True} in service["volumeMounts"]


def test_any_version_has_a_profile(tmp_path: Path) -> None:
    """What an image holds need not be known: the service must find the profile of each version that is handed out."""
    _, _, made = bundle()
    stated = config(made)[Env.DRIFT_PROFILES].replace(PROFILES, str(tmp_path))
    for folder in ("churn/v3", "fraud/v1"):
        (tmp_path / folder).mkdir(parents=True)

    assert parse_profiles(stated) == {Source("churn", "v3"): tmp_path / "churn/v3", Source("fraud", "v1"): tmp_path / "fraud/v1"}
    assert len(made.configs) == 1, "no profile may be in a ConfigMap"


def test_one_pod_with_a_volume_of_its_own() -> None:
    """Its state must outlive it, with room for its bounds, and two pods must never write it."""
    spec, _, made = bundle()
    deployment, claim = the(made, "Deployment"), the(made, "PersistentVolumeClaim")

    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert {"name": "drift", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod(deployment)["volumes"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert _size(claim) >= int(str(spec.service("drift").env[Env.SPOOL_BYTES])) + 4 * GIB


@pytest.mark.parametrize("case", ["two-models", "three-models"])
def test_full_folders_evict_no_pod(case: str) -> None:
    """What a pod has in folders of its own must be in the storage that its containers may fill: the profiles of the drift service, too."""
    export, _ = exported(case, whole=True)
    for workload in workloads(plain_objects(export, "production")):
        filled = sum(bytes_of(each["emptyDir"]["sizeLimit"]) for each in pod(workload)["volumes"] if "emptyDir" in each)
        for kind, share in (("limits", 1), ("requests", 4)):
            assert sum(bytes_of(each["resources"][kind]["ephemeral-storage"]) for each in served(workload)) > filled / share, named(
                workload
            )


@pytest.mark.parametrize(("spooled", "size", "told"), [(10**6, 10, False), (6 * GIB, 10, False), (6 * GIB + 1, 11, True)])
def test_the_claim_never_shrinks(spooled: int, size: int, *, told: bool) -> None:
    """A claim cannot shrink: no setting may make it smaller than it was with another one; where it must be larger that must be said."""
    spec, facts, _ = bundle()
    service = spec.service("drift")
    changed = replace(service, env={**service.env, Env.SPOOL_BYTES: str(spooled)})
    made = drift_bundle(replace(spec, services=tuple(changed if each is service else each for each in spec.services)), facts)

    assert _size(the(made, "PersistentVolumeClaim")) == size * GIB
    assert any("cannot shrink" in each for each in made.todo) is told


def test_settings_of_a_model_leave_it_alone() -> None:
    """It is away while its pod is made anew: nothing that is set for a model may do that, and its sinks still follow the component."""
    spec, facts, _ = bundle()
    changed = tuple(
        replace(each, env={**each.env, Env.MAX_ROWS: "7", Env.WORKERS: "3"}) if each.component == "api" else each for each in spec.services
    )
    facts = replace(facts, chosen=("drift", "logging"))
    (before,), (after,) = (
        [
            each
            for each in of_kind(plain_objects(build_export(replace(spec, services=services), facts), "production"), "Deployment")
            if each["metadata"]["name"] == "drift"
        ]
        for services in (spec.services, changed)
    )
    assert before == after


def test_it_may_wait_for_its_volume() -> None:
    """A pod that waits until another one has left their folder must not be started anew for that: it lives, and is not ready."""
    _, _, made = bundle()
    service = containers(the(made, "Deployment"))[-1]

    assert service["startupProbe"]["httpGet"] == service["livenessProbe"]["httpGet"] != service["readinessProbe"]["httpGet"]
    assert any("node.kubernetes.io/out-of-service" in each for each in made.todo)


def _size(claim: Manifest) -> int:
    return bytes_of(claim["spec"]["resources"]["requests"]["storage"])


@pytest.mark.parametrize("logged", [True, False])
def test_sinks(*, logged: bool) -> None:
    """Models must send to it where it is, and it must send its own events where the models send theirs, if anywhere."""
    left_out = () if logged else ("logging", "elasticsearch")
    chosen = ("drift", "logging") if logged else ("drift",)
    export, _ = exported("two-models", whole=True, chosen=chosen, left_out=left_out)
    objects = plain_objects(export, "production")
    data = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    sent: dict[str, dict[str, str]] = {}
    for deployment in of_kind(objects, "Deployment"):
        for container in containers(deployment):
            references = [each for each in container["env"] if "configMapKeyRef" in each.get("valueFrom", {})]
            found = {each["name"]: each["valueFrom"]["configMapKeyRef"] for each in references if "_SINK_" in each["name"]}
            if found:
                text = variable(container, Env.SINKS)
                for name, reference in found.items():
                    text = text.replace(f"$({name})", data[reference["name"]][reference["key"]])
                sent[deployment["metadata"]["name"]] = {each.name: f"{each.host}:{each.port}" for each in parse_targets(text)}

    log = {"fluentd": "fluentd:24224"} if logged else {}
    assert sent == {"churn": {**log, "drift": "drift:24225"}, "fraud": {**log, "drift": "drift:24225"}, "drift": log}


def test_who_may_reach_it() -> None:
    """Models and their challengers alone may bring events; it may reach the log and names, and nothing else."""
    _, _, made = bundle()
    policy = the(made, "NetworkPolicy")["spec"]
    ports = {port["name"]: port["containerPort"] for port in pod(the(made, "Deployment"))["containers"][0]["ports"]}

    bringing = policy["ingress"][0]
    assert [each["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for each in bringing["from"]] == ["server", "challenger"]
    assert [port["port"] for port in bringing["ports"]] == ["drift-forward"]
    assert ports == {"drift": 7317, "drift-forward": 24225}
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [24224]]


def test_alibi_needs_its_licence_and_its_image() -> None:
    """alibi-detect must be there only when its licence was accepted and its image named, and the pod must say so."""
    spec, facts, _ = bundle()
    named = {**facts.images, "drift-alibi": image("drift-alibi")}
    for known in (
        replace(facts, alibi_accepted=True),
        replace(facts, images=named),
        facts,
    ):
        made = drift_bundle(with_alibi(spec), known)
        assert containers(the(made, "Deployment"))[-1]["image"] == facts.images["drift"]
        assert config(made)[Env.DRIFT_ENGINES] == "native"
        assert "alibi" not in str((made.objects, made.todo))
        assert drift_images(with_alibi(spec), known) == ("drift",)

    made = drift_bundle(with_alibi(spec), replace(facts, images=named, alibi_accepted=True))
    deployment = the(made, "Deployment")
    assert containers(deployment)[-1]["image"] == named["drift-alibi"]
    assert config(made)[Env.DRIFT_ENGINES] == "native,alibi"
    for described in (deployment, deployment["spec"]["template"]):
        assert described["metadata"]["annotations"] == {"mlsandbox.org/accepted-license": "alibi-detect=BSL-1.1"}
    assert any("Business Source License" in each for each in made.todo)


def test_a_baseline_is_told_of() -> None:
    """A baseline that lies in the project is in no image: that it is not in the export must be said."""
    spec, facts, before = bundle()
    service = spec.service("drift")
    changed = replace(service, files={"profiles/fraud/v1/profile.json": ProjectFile("baselines/fraud/profile.json")})
    made = drift_bundle(replace(spec, services=tuple(changed if each is service else each for each in spec.services)), facts)

    assert not any("baseline" in each for each in before.todo)
    assert any("The baseline of fraud" in each for each in made.todo)
