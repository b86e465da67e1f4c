"""The base of an export: what the pods of a model are, and the objects around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest
from mlsandbox.render.kubernetes.facts import Measured
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.names import models, shipper_of
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.render.kubernetes.resources import GIB, bytes_of, quantity
from mlsandbox.render.kubernetes.variables import sink_entries
from mlsandbox.stack.spec import Probe, Resources, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env
from support.exported import exported, image, inputs
from support.manifests import containers, matches, named, of_kind, pod_labels, workloads


def based(case: str = "one-model", **facts: Any) -> Bundle:
    """The base of a project of tests/golden."""
    spec, found = inputs(case)
    return base_bundle(spec, replace(found, **facts))


def only(bundle: Bundle, kind: str) -> Manifest:
    (found,) = [each for each in bundle.objects if each["kind"] == kind and each["metadata"]["name"] != "default-deny"]
    return found


def pod(bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = only(bundle, "Deployment")["spec"]["template"]["spec"]
    return found


def server(bundle: Bundle) -> dict[str, Any]:
    (found,) = pod(bundle)["containers"]
    return dict(found)


def shipper(bundle: Bundle) -> dict[str, Any]:
    (found,) = pod(bundle)["initContainers"]
    return dict(found)


def with_service(spec: StackSpec, service: ServiceSpec) -> StackSpec:
    """The stack with another service of that name."""
    return replace(spec, services=tuple(service if each.name == service.name else each for each in spec.services))


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_the_namespace_must_refuse_what_could_do_more() -> None:
    """The namespace comes first, has Pod Security's strictest level, and no pod of the project has traffic that no policy names."""
    namespace, deny, *_ = based().objects

    labels = namespace["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}
    assert deny["spec"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": inputs("one-model")[0].project}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_everything_must_be_denied_first_to_own_pods_alone() -> None:
    """The policy that denies finds every pod of the export, and none of others in the same namespace."""
    export, _ = exported("three-models", whole=True)
    objects = plain_objects(export, "production")
    (deny,) = [each for each in of_kind(objects, "NetworkPolicy") if each["metadata"]["name"] == "default-deny"]

    assert [named(each) for each in workloads(objects) if not matches(deny["spec"]["podSelector"], pod_labels(each))] == []
    assert not matches(deny["spec"]["podSelector"], {"app.kubernetes.io/name": "of-somebody-else"})
    assert not matches(deny["spec"]["podSelector"], {"app.kubernetes.io/part-of": "another"})


@pytest.mark.parametrize("release", [(1, 29), (1, 35)])
def test_ports_of_sidecars_must_be_numbers(release: tuple[int, int]) -> None:
    """Before 1.32 Services, and some network plugins, do not find a port of a sidecar by its name."""
    objects = based(release=release).objects
    (service,) = [each for each in objects if each["kind"] == "Service"]
    number = next(port["containerPort"] for port in shipper(based())["ports"] if port["name"] == "shipper")

    assert {each["name"]: each["targetPort"] for each in service["spec"]["ports"]} == {"http": "http", "shipper": number}
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    told = {port["port"] for each in policies for rule in each["spec"].get("ingress", []) for port in rule["ports"]}
    assert told == {"http", number}


def test_what_the_cluster_may_have_elsewhere_must_be_told() -> None:
    """Policies are made for the DNS of most clusters: where others have theirs is said, as is who may ask for predictions."""
    told = " ".join(based().todo)

    for each in ("openshift-dns", "5353", "169.254.169.254", "own namespace alone", "monitoring"):
        assert each in told


@pytest.mark.parametrize("case", ["one-model", "two-models"])
def test_every_model_must_have_all_its_objects(case: str) -> None:
    """Each model has one object of each kind, all of one name."""
    spec, _ = inputs(case)
    kinds = ["ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"]
    found = [(each["metadata"]["name"], each["kind"]) for each in based(case).objects[2:]]

    assert found == [(str(model.env[Env.MODEL]), kind) for model in models(spec) for kind in kinds]


def test_objects_must_share_nothing() -> None:
    """Two parts of an export must never be one object in memory: a patch of one would change the other."""
    seen: set[int] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict | list):
            assert id(value) not in seen, value
            seen.add(id(value))
            for each in value.values() if isinstance(value, dict) else value:
                walk(each)

    bundle = based("two-models", cpu_limits=False)
    for each in bundle.objects:
        walk(each)


def test_the_autoscaler_must_own_the_replicas() -> None:
    """A Deployment states no replicas; there are never fewer than two pods, and the budget leaves one to answer."""
    bundle = based()
    scaler, budget = only(bundle, "HorizontalPodAutoscaler")["spec"], only(bundle, "PodDisruptionBudget")["spec"]

    assert "replicas" not in only(bundle, "Deployment")["spec"]
    assert scaler["minReplicas"] >= 2
    assert scaler["metrics"][0]["containerResource"]["container"] == server(bundle)["name"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_the_shipper_must_outlive_the_server() -> None:
    """The shipper is a sidecar, which ends after the server, and shares nothing with it but the spool."""
    bundle = based()

    assert shipper(bundle)["restartPolicy"] == "Always"
    own, beside = ({each["name"] for each in found["volumeMounts"]} for found in (server(bundle), shipper(bundle)))
    assert own & beside == {"spool"}
    assert shipper(bundle)["image"] == server(bundle)["image"]


def test_a_pod_must_have_time_to_end() -> None:
    """The grace covers the hook, the longest request of the server, and the shipper after it."""
    spec, facts = inputs("one-model")
    (model,) = models(spec)
    slow = with_service(spec, replace(model, stop_grace=130.0))
    hook = server(base_bundle(slow, facts))["lifecycle"]["preStop"]["sleep"]["seconds"]

    grace = pod(base_bundle(slow, facts))["terminationGracePeriodSeconds"]

    assert hook + 130 + shipper_of(spec, model).stop_grace < grace < 180


@pytest.mark.parametrize(("release", "hook"), [((1, 29), {"exec": {"command": ["sleep", "10"]}}), ((1, 30), {"sleep": {"seconds": 10}})])
def test_hooks_must_be_what_the_release_has(release: tuple[int, int], hook: dict[str, Any]) -> None:
    """A hook sleeps by itself from 1.30 on; an older API server refuses that."""
    assert server(based(release=release))["lifecycle"]["preStop"] == hook


def test_probes_must_differ() -> None:
    """Liveness asks another path than readiness: a pod that is not ready must not be started anew for it."""
    for container in (server(based()), shipper(based())):
        assert container["livenessProbe"]["httpGet"]["path"] != container["startupProbe"]["httpGet"]["path"]
    assert server(based())["startupProbe"]["httpGet"] == server(based())["readinessProbe"]["httpGet"]


def test_a_shipper_must_not_take_its_pod_out_of_the_service() -> None:
    """Events wait in the spool: predictions go on while the shipper is started anew."""
    assert "readinessProbe" not in shipper(based())


def test_without_a_path_liveness_must_ask_the_port() -> None:
    """A service that has only a readiness probe counts as alive while its port is open."""
    spec, facts = inputs("one-model")
    (model,) = models(spec)
    ready = Probe(model.ports[0].name, "/up")

    probe = server(base_bundle(with_service(spec, replace(model, liveness=None, readiness=ready)), facts))["livenessProbe"]

    assert probe["tcpSocket"] == {"port": "http"}


def test_texts_must_be_in_the_config() -> None:
    """Texts are in the ConfigMap, where an overlay can change them; what refers to something is in the pod."""
    bundle = based()
    config = bundle.configs[0]
    stated = variables(server(bundle))

    assert config.name == f"{only(bundle, 'Deployment')['metadata']['name']}-config"
    assert config.data[Env.LOCAL_NAMES] == "0"
    assert config.data["BENTOML_HOME"].startswith("/tmp/")  # noqa: S108 - the container's own
    assert not set(config.data) & set(stated)
    assert stated[Env.SPOOL_DIR] == variables(shipper(bundle))[Env.SPOOL_DIR] == "/var/lib/sandbox/spool"
    assert Env.STACK_ID not in config.data
    assert Env.ELASTICSEARCH_URL not in config.data


@pytest.mark.parametrize("known", ["v7", ""])
def test_the_version_must_be_a_label_alone(known: str) -> None:
    """What answers under which name the package in the image must say, for the image may be changed alone; what is known is a label."""
    spec, facts = inputs("one-model")
    name = str(models(spec)[0].env[Env.MODEL])
    bundle = base_bundle(spec, replace(facts, versions={name: known} if known else {}))

    labels = only(bundle, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert Env.VERSION not in bundle.configs[0].data
    assert Env.VERSION not in {**variables(server(bundle)), **variables(shipper(bundle))}
    assert labels["app.kubernetes.io/version"] == (known or image(name).partition("@sha256:")[2][:12])
    assert "app.kubernetes.io/version" not in only(bundle, "Deployment")["spec"]["selector"]["matchLabels"]


def test_sinks_must_wait_for_their_component() -> None:
    """The base delivers nowhere, and each sink has a variable that its component fills in; together they are the stack's own sinks."""
    spec, facts = inputs("one-model")
    bundle = base_bundle(spec, facts)
    entries = sink_entries(spec, shipper_of(spec, models(spec)[0]))

    assert entries["SANDBOX_SINK_FLUENTD"].startswith("fluentd=fluentd:")
    assert entries["SANDBOX_SINK_DRIFT"].startswith("drift~1=drift:")
    assert {bundle.configs[0].data[each] for each in entries} == {""}
    env = shipper(bundle)["env"]
    assert env[-1] == {"name": Env.SINKS, "value": "$(SANDBOX_SINK_FLUENTD),$(SANDBOX_SINK_DRIFT)"}
    assert [each["name"] for each in env[-3:-1]] == list(entries)  # in front: a variable can refer to those before it


def test_only_sinks_must_be_reached() -> None:
    """A model's pods may ask for names and reach the sinks of their events, and nothing else."""
    rules = only(based(), "NetworkPolicy")["spec"]["egress"]
    reached = [peer["podSelector"]["matchLabels"] for rule in rules for peer in rule["to"] if "podSelector" in peer]

    assert reached == [{"k8s-app": "kube-dns"}, {"app.kubernetes.io/name": "fluentd"}, {"app.kubernetes.io/name": "drift"}]


def test_metrics_must_be_reached_from_monitoring() -> None:
    """Both containers' metrics are read from the namespace of the monitoring; predictions are asked for from the own namespace."""
    predictions, metrics = only(based(), "NetworkPolicy")["spec"]["ingress"]

    assert predictions["from"] == [{"podSelector": {}}]
    assert [each["port"] for each in predictions["ports"]] == ["http"]
    (peer,) = metrics["from"]
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["monitoring"]
    assert [each["port"] for each in metrics["ports"]] == ["http", shipper(based())["ports"][0]["containerPort"]]


def test_secrets_must_be_files() -> None:
    """A secret is a file that only the pod's group may read, of a Secret that has to be there; its value is nowhere."""
    bundle = based("two-models")
    (deployment,) = [each for each in bundle.objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "churn"]
    pod_spec = deployment["spec"]["template"]["spec"]
    (volume,) = [each for each in pod_spec["volumes"] if each["name"] == "secrets"]

    assert volume["projected"]["defaultMode"] == 0o440
    assert [each["secret"]["name"] for each in volume["projected"]["sources"]] == ["hash-key"]
    assert all(each["secret"]["optional"] is False for each in volume["projected"]["sources"])
    assert variables(pod_spec["containers"][0])[Env.HASH_KEY_FILE] == "/run/secrets/sandbox/hash-key"
    assert any("create secret generic hash-key" in each for each in bundle.todo)


class TestResources:
    def test_defaults(self) -> None:
        """The limit of memory is the project's; half of it is asked for, and no more than 512 MiB."""
        spec, facts = inputs("one-model")
        (model,) = models(spec)
        small = base_bundle(with_service(spec, replace(model, resources=Resources(memory_bytes=GIB // 2))), facts)

        found = server(small)["resources"]

        assert (found["requests"]["memory"], found["limits"]["memory"]) == ("256Mi", "512Mi")
        assert server(based())["resources"]["requests"]["memory"] == "512Mi"

    @pytest.mark.parametrize(("workers", "requested", "limit"), [("1", "250m", "1"), ("4", "1", "4")])
    def test_workers(self, workers: str, requested: str, limit: str) -> None:
        """Each worker has a core at most, asks for a quarter of one, and has no more threads than that."""
        spec, facts = inputs("one-model")
        (model,) = models(spec)
        bundle = base_bundle(with_service(spec, replace(model, env={**model.env, Env.WORKERS: workers})), facts)

        found = server(bundle)["resources"]

        assert (found["requests"]["cpu"], found["limits"]["cpu"]) == (requested, limit)
        assert bundle.configs[0].data["OMP_NUM_THREADS"] == "1"

    def test_measured(self) -> None:
        """What was measured is asked for, and a quarter more; no limit is below it, or below the project's."""
        spec, facts = inputs("one-model")
        name = str(models(spec)[0].env[Env.MODEL])
        large = base_bundle(spec, replace(facts, measured={name: Measured(8 * GIB, 2.2)}))
        little = base_bundle(spec, replace(facts, measured={name: Measured(GIB // 10, 0.0)}))

        assert server(large)["resources"]["requests"] | {"ephemeral-storage": ""} == {
            "cpu": "2750m",
            "memory": "10Gi",
            "ephemeral-storage": "",
        }
        assert (server(large)["resources"]["limits"]["cpu"], server(large)["resources"]["limits"]["memory"]) == ("3", "10Gi")
        assert large.configs[0].data["OMP_NUM_THREADS"] == "3"
        assert server(little)["resources"]["requests"]["memory"] == "128Mi"
        assert server(little)["resources"]["requests"]["cpu"] == "100m"
        assert server(little)["resources"]["limits"] == server(based())["resources"]["limits"]
        assert shipper(large)["resources"] == shipper(based())["resources"]

    def test_without_cpu_limits(self) -> None:
        """CPU limits can be left out; the reason is said on the object and on its pods, and threads are not held to any."""
        bundle = based(cpu_limits=False)
        deployment = only(bundle, "Deployment")

        for container in (server(bundle), shipper(bundle)):
            assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
        for metadata in (deployment["metadata"], deployment["spec"]["template"]["metadata"]):
            assert metadata["annotations"]["checkov.io/skip1"].startswith("CKV_K8S_11=")
        assert "OMP_NUM_THREADS" not in bundle.configs[0].data

    def test_the_spool_must_fit(self) -> None:
        """The spool counts as the pod's storage: a full one evicts nobody by itself."""
        spec, facts = inputs("one-model")
        (model,) = models(spec)
        spooled = 5 * GIB
        bundle = base_bundle(with_service(spec, replace(model, env={**model.env, Env.SPOOL_BYTES: str(spooled)})), facts)
        (volume,) = [each for each in pod(bundle)["volumes"] if each["name"] == "spool"]

        assert int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) * 1024**2 > spooled
        assert bytes_of(server(bundle)["resources"]["limits"]["ephemeral-storage"]) > spooled

    @pytest.mark.parametrize(("spooled", "warned"), [(10**9, False), (9 * 10**9, False), (11 * 10**9, True), (900 * 10**9, True)])
    def test_any_spool_must_find_a_node(self, spooled: int, *, warned: bool) -> None:
        """What is asked for is a share, told in the list of things to do; a spool that nodes may not have is warned of."""
        spec, facts = inputs("one-model")
        services = tuple(
            replace(each, env={**each.env, Env.SPOOL_BYTES: str(spooled)}) if Env.SPOOL_BYTES in each.env else each
            for each in spec.services
        )
        bundle = base_bundle(replace(spec, services=services), facts)
        asked, held = (
            sum(bytes_of(each["resources"][kind]["ephemeral-storage"]) for each in (server(bundle), shipper(bundle)))
            for kind in ("requests", "limits")
        )

        assert GIB // 4 < asked <= 4 * GIB
        assert held > spooled
        told = [each for each in bundle.todo if "ephemeral storage" in each]
        assert len(told) == 1
        assert f"asks for {quantity(asked)} of" in told[0]
        assert f"may fill {quantity(held)}" in told[0]
        assert any("more than many nodes have" in each for each in bundle.todo) is warned


def test_a_rollout_must_have_the_time_that_pods_may_take() -> None:
    """Before that is over, also with the check of a volume, nobody may say that a rollout has failed."""
    export, _ = exported("three-models", whole=True)
    for deployment in of_kind(plain_objects(export, "production"), "Deployment"):
        waits = 0
        for each in containers(deployment):
            probe = each.get("startupProbe", {"periodSeconds": 0, "failureThreshold": 0})
            waits += probe["periodSeconds"] * probe["failureThreshold"]
            waits += sum(int(argument.removeprefix("--wait=")) for argument in each["args"] if argument.startswith("--wait="))
        if pod_labels(deployment)["app.kubernetes.io/component"] in {"server", "challenger"}:
            assert waits >= 600
            assert deployment["spec"]["progressDeadlineSeconds"] > waits
