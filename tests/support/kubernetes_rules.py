"""What kube-score, kube-linter and Polaris object to, as checks of a list of manifests; each is named as there.

These programs are not published where tests can install them. A rule takes all objects of one namespace and yields one sentence for
each object that breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from support.manifests import Manifest, containers, lasting, matches, named, of_kind, pod, pod_labels, served, workloads

Rule = Callable[[Sequence[Manifest]], Iterator[str]]

SINGLE: Final = frozenset({"drift", "fluentd", "elasticsearch"})
"""Workloads that keep state of their own and run once: a second one would see half of the events."""
_SECRET_NAME: Final = re.compile(r"secret|password|token|passwd|credential", re.IGNORECASE)
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_INSTANCE: Final = "app.kubernetes.io/instance"
_HOST_FOLDERS: Final = ("hostPath",)


def _each_container(objects: Sequence[Manifest], broken: Callable[[Manifest], str | None]) -> Iterator[str]:
    for each in workloads(objects):
        for one in containers(each):
            if found := broken(one):
                yield f"{named(each)}, container {one['name']}: {found}"


def _resources(objects: Sequence[Manifest], part: str, *names: str) -> Iterator[str]:
    def broken(one: Manifest) -> str | None:
        given = one.get("resources", {}).get(part, {})
        lacking = [name for name in names if name not in given]
        return f"no {', '.join(lacking)} in {part}" if lacking else None

    return _each_container(objects, broken)


def _skips(each: Manifest, check: str) -> bool:
    notes = each["metadata"].get("annotations", {})
    return any(key.startswith("checkov.io/skip") and value.startswith(f"{check}=") for key, value in notes.items())


# ---- kube-score -----------------------------------------------------------------------------------------------------------------


def container_resources(objects: Sequence[Manifest]) -> Iterator[str]:
    yield from _resources(objects, "requests", "cpu", "memory")
    yield from _resources(objects, "limits", "memory")
    yield from _resources([each for each in objects if not _skips(each, "CKV_K8S_11")], "limits", "cpu")


def container_ephemeral_storage_request_and_limit(objects: Sequence[Manifest]) -> Iterator[str]:
    yield from _resources(objects, "requests", "ephemeral-storage")
    yield from _resources(objects, "limits", "ephemeral-storage")


def container_image_pull_policy(objects: Sequence[Manifest]) -> Iterator[str]:
    return _each_container(objects, lambda one: None if one.get("imagePullPolicy") == "Always" else "imagePullPolicy is not Always")


def container_security_context_user_group_id(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in workloads(objects):
        for one in containers(each):
            context = {**pod(each).get("securityContext", {}), **one.get("securityContext", {})}
            if context.get("runAsUser", 0) <= 10_000 or context.get("runAsGroup", 0) <= 10_000:
                yield f"{named(each)}, container {one['name']}: user or group is not above 10000"


def container_security_context_readonlyrootfilesystem(objects: Sequence[Manifest]) -> Iterator[str]:
    return _each_container(
        objects,
        lambda one: None if one.get("securityContext", {}).get("readOnlyRootFilesystem") is True else "its root file system is writable",
    )


def container_seccomp_profile(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in workloads(objects):
        if pod(each).get("securityContext", {}).get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{named(each)}: no seccomp profile"


def pod_networkpolicy(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in workloads(objects):
        ruled: set[str] = set()
        for policy in of_kind(objects, "NetworkPolicy"):
            chosen = policy["spec"]["podSelector"]
            if _INSTANCE in chosen.get("matchLabels", {}) and matches(chosen, pod_labels(each)):
                ruled.update(policy["spec"]["policyTypes"])
        if ruled != {"Ingress", "Egress"}:
            yield f"{named(each)}: no NetworkPolicy of its own for {', '.join({'Ingress', 'Egress'} - ruled)}"


def pod_probes(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in lasting(objects):
        for one in served(each):
            wanted = {"startupProbe", "livenessProbe"} | ({"readinessProbe"} if one in pod(each)["containers"] else set())
            if not wanted <= one.keys():
                yield f"{named(each)}, container {one['name']}: lacks {', '.join(sorted(wanted - one.keys()))}"


def pod_probes_identical(objects: Sequence[Manifest]) -> Iterator[str]:
    handlers = ("httpGet", "tcpSocket", "exec", "grpc")
    for each in lasting(objects):
        for one in served(each):
            ready, alive = ({key: one.get(kind, {}).get(key) for key in handlers} for kind in ("readinessProbe", "livenessProbe"))
            if ready == alive:
                yield f"{named(each)}, container {one['name']}: readiness and liveness ask the same"


def _chosen_by(objects: Sequence[Manifest], kind: str, each: Manifest) -> list[Manifest]:
    return [other for other in of_kind(objects, kind) if matches(other["spec"]["selector"], pod_labels(each))]


def deployment_has_poddisruptionbudget(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in of_kind(objects, "Deployment"):
        if each["metadata"]["name"] not in SINGLE and len(_chosen_by(objects, "PodDisruptionBudget", each)) != 1:
            yield f"{named(each)}: not exactly one PodDisruptionBudget"


def deployment_has_host_podantiaffinity(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in of_kind(objects, "Deployment"):
        if each["metadata"]["name"] in SINGLE:
            continue
        anti = pod(each).get("affinity", {}).get("podAntiAffinity", {})
        terms = [
            *(term["podAffinityTerm"] for term in anti.get("preferredDuringSchedulingIgnoredDuringExecution", [])),
            *anti.get("requiredDuringSchedulingIgnoredDuringExecution", []),
        ]
        if not any(term["topologyKey"] == "kubernetes.io/hostname" and matches(term["labelSelector"], pod_labels(each)) for term in terms):
            yield f"{named(each)}: no anti-affinity between its own pods"


def _scalers(objects: Sequence[Manifest], each: Manifest) -> list[tuple[int, int]]:
    """Fewest and most replicas of what scales a workload."""
    found = []
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        if scaler["spec"]["scaleTargetRef"]["name"] == each["metadata"]["name"]:
            bounds = (
                ("minReplicas", "maxReplicas") if scaler["kind"] == "HorizontalPodAutoscaler" else ("minReplicaCount", "maxReplicaCount")
            )
            found.append((scaler["spec"][bounds[0]], scaler["spec"][bounds[1]]))
    return found


def deployment_replicas(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in of_kind(objects, "Deployment"):
        if each["metadata"]["name"] in SINGLE:
            continue
        bounds = _scalers(objects, each)
        if len(bounds) != 1:
            yield f"{named(each)}: scaled by {len(bounds)} objects"
        elif "replicas" in each["spec"]:
            yield f"{named(each)}: replicas beside what scales it"
        elif bounds[0][0] < 2 or bounds[0][1] <= bounds[0][0]:
            yield f"{named(each)}: {bounds[0][0]} to {bounds[0][1]} replicas"


def horizontalpodautoscaler_has_target(objects: Sequence[Manifest]) -> Iterator[str]:
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target.get("kind", "Deployment"), target["name"]) not in there:
            yield f"{named(scaler)}: scales {target}, which is not there"


def pod_topology_spread_constraints(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in of_kind(objects, "Deployment"):
        if each["metadata"]["name"] in SINGLE:
            continue
        constraints = pod(each).get("topologySpreadConstraints", [])
        keys = {one["topologyKey"] for one in constraints if matches(one["labelSelector"], pod_labels(each))}
        if keys != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
            yield f"{named(each)}: spread over {sorted(keys)}"


def statefulset_has_servicename(objects: Sequence[Manifest]) -> Iterator[str]:
    services = {each["metadata"]["name"] for each in of_kind(objects, "Service")}
    for each in of_kind(objects, "StatefulSet"):
        if each["spec"].get("serviceName") not in services:
            yield f"{named(each)}: its Service {each['spec'].get('serviceName')} is not there"


def service_targets_pod(objects: Sequence[Manifest]) -> Iterator[str]:
    for service in of_kind(objects, "Service"):
        found = [each for each in lasting(objects) if matches({"matchLabels": service["spec"]["selector"]}, pod_labels(each))]
        if len(found) != 1:
            yield f"{named(service)}: finds the pods of {len(found)} workloads"
            continue
        ports = [port for one in containers(found[0]) for port in one.get("ports", [])]
        offered = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in offered:
                yield f"{named(service)}: port {port['targetPort']} is of no container"


def ingress_targets_service(objects: Sequence[Manifest]) -> Iterator[str]:
    services = {each["metadata"]["name"]: {port["name"] for port in each["spec"]["ports"]} for each in of_kind(objects, "Service")}
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                target = path["backend"]["service"]
                if target["port"].get("name") not in services.get(target["name"], set()):
                    yield f"{named(ingress)}: leads to {target}"


def label_values(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in objects:
        template = each.get("spec", {}).get("template", {}) if isinstance(each.get("spec"), dict) else {}
        found = {
            **each["metadata"].get("labels", {}),
            **(template.get("metadata", {}).get("labels", {}) if isinstance(template, dict) else {}),
        }
        for key, value in found.items():
            if _LABEL_VALUE.fullmatch(value) is None:
                yield f"{named(each)}: label {key} is {value!r}"


# ---- kube-linter ----------------------------------------------------------------------------------------------------------------


def env_var_secret(objects: Sequence[Manifest]) -> Iterator[str]:
    def broken(one: Manifest) -> str | None:
        for variable in one.get("env", []):
            plain = "value" in variable and _SECRET_NAME.search(variable["name"]) and not variable["name"].endswith(("_FILE", "_DIR"))
            if plain or "secretKeyRef" in variable.get("valueFrom", {}):
                return f"variable {variable['name']} holds a secret"
        return "a secret as variables" if any("secretRef" in source for source in one.get("envFrom", [])) else None

    return _each_container(objects, broken)


def invalid_target_ports(objects: Sequence[Manifest]) -> Iterator[str]:
    def broken(one: Manifest) -> str | None:
        names = [port["name"] for port in one.get("ports", [])]
        wrong = [name for name in names if re.fullmatch(r"(?=.{1,15}$)[a-z0-9]+(-[a-z0-9]+)*", name) is None]
        return f"ports {wrong}" if wrong or len(names) != len(set(names)) else None

    return _each_container(objects, broken)


def probe_ports(objects: Sequence[Manifest]) -> Iterator[str]:
    def broken(one: Manifest) -> str | None:
        offered = {port["name"] for port in one.get("ports", [])}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            handler = one.get(kind, {}).get("httpGet") or one.get(kind, {}).get("tcpSocket")
            if handler and handler["port"] not in offered:
                return f"{kind} asks port {handler['port']}"
        return None

    return _each_container(objects, broken)


def mismatching_selector(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in lasting(objects):
        if not matches(each["spec"]["selector"], pod_labels(each)):
            yield f"{named(each)}: its selector does not find its pods"
        if "app.kubernetes.io/version" in each["spec"]["selector"]["matchLabels"]:
            yield f"{named(each)}: its selector names a version, and could never change"


def non_existent_service_account(objects: Sequence[Manifest]) -> Iterator[str]:
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    for each in workloads(objects):
        if pod(each).get("serviceAccountName") not in accounts:
            yield f"{named(each)}: its account {pod(each).get('serviceAccountName')} is not there"


def pdb_of_workload(objects: Sequence[Manifest]) -> Iterator[str]:
    """pdb-max-unavailable, pdb-min-available, pdb-unhealthy-pod-eviction-policy."""
    for budget in of_kind(objects, "PodDisruptionBudget"):
        spec = budget["spec"]
        if spec.get("maxUnavailable") in (None, 0, "0%") or "minAvailable" in spec:
            yield f"{named(budget)}: {spec}"
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{named(budget)}: broken pods are not evicted"
        if sum(matches(spec["selector"], pod_labels(each)) for each in lasting(objects)) != 1:
            yield f"{named(budget)}: not of one workload"


def privileges(objects: Sequence[Manifest]) -> Iterator[str]:
    """privilege-escalation-container, run-as-non-root, drop-net-raw-capability, privileged-container."""

    def broken(one: Manifest) -> str | None:
        context = one.get("securityContext", {})
        kept = context.get("allowPrivilegeEscalation") is False and context.get("capabilities") == {"drop": ["ALL"]}
        return None if kept and not context.get("privileged") else f"may do too much: {context}"

    yield from _each_container(objects, broken)
    for each in workloads(objects):
        if pod(each).get("securityContext", {}).get("runAsNonRoot") is not True:
            yield f"{named(each)}: may run as root"


def sensitive_host_mounts(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in workloads(objects):
        spec = pod(each)
        if any(kind in volume for volume in spec.get("volumes", []) for kind in _HOST_FOLDERS):
            yield f"{named(each)}: mounts a folder of its node"
        if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")):
            yield f"{named(each)}: shares what is its node's"


# ---- Polaris --------------------------------------------------------------------------------------------------------------------


def automount_service_account_token(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in workloads(objects):
        if pod(each).get("automountServiceAccountToken") is not False or pod(each).get("enableServiceLinks") is not False:
            yield f"{named(each)}: gets a token, or the addresses of others, that it does not need"


def metadata_and_instance_mismatched(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in lasting(objects):
        if each["metadata"]["labels"].get(_INSTANCE) != each["metadata"]["name"]:
            yield f"{named(each)}: its label instance is another"


# ---- what every reader expects --------------------------------------------------------------------------------------------------


def references(objects: Sequence[Manifest]) -> Iterator[str]:
    """ConfigMaps and claims that pods use must be there; no two objects have one name."""
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    if len(there) != len(objects):
        yield "two objects have one name"
    for each in workloads(objects):
        for volume in pod(each).get("volumes", []):
            wanted = [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
            if "persistentVolumeClaim" in volume:
                wanted.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
            yield from (f"{named(each)}: {kind} {name} is not there" for kind, name in wanted if (kind, name) not in there)
        for one in containers(each):
            names = [source["configMapRef"]["name"] for source in one.get("envFrom", []) if "configMapRef" in source]
            names += [v["valueFrom"]["configMapKeyRef"]["name"] for v in one.get("env", []) if "configMapKeyRef" in v.get("valueFrom", {})]
            yield from (f"{named(each)}: ConfigMap {name} is not there" for name in names if ("ConfigMap", name) not in there)
            mounted = {mount["name"] for mount in one.get("volumeMounts", [])}
            known = {volume["name"] for volume in pod(each).get("volumes", [])}
            known |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
            if not mounted <= known:
                yield f"{named(each)}: volumes {sorted(mounted - known)} are not there"


def names(objects: Sequence[Manifest]) -> Iterator[str]:
    for each in objects:
        name = each["metadata"]["name"]
        if _NAME.fullmatch(name) is None or len(name) > 63:
            yield f"{named(each)}: its name is too long, or has wrong characters"


RULES: Final[tuple[Rule, ...]] = (
    container_resources,
    container_ephemeral_storage_request_and_limit,
    container_image_pull_policy,
    container_security_context_user_group_id,
    container_security_context_readonlyrootfilesystem,
    container_seccomp_profile,
    pod_networkpolicy,
    pod_probes,
    pod_probes_identical,
    deployment_has_poddisruptionbudget,
    deployment_has_host_podantiaffinity,
    deployment_replicas,
    horizontalpodautoscaler_has_target,
    pod_topology_spread_constraints,
    statefulset_has_servicename,
    service_targets_pod,
    ingress_targets_service,
    label_values,
    env_var_secret,
    invalid_target_ports,
    probe_ports,
    mismatching_selector,
    non_existent_service_account,
    pdb_of_workload,
    privileges,
    sensitive_host_mounts,
    automount_service_account_token,
    metadata_and_instance_mismatched,
    references,
    names,
)
LIGHT: Final = frozenset({deployment_replicas})
"""Rules that an overlay for development need not keep: it may have one replica."""
