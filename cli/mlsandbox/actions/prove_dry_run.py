"""What an API server says of objects before any of them is there: served kinds, strict decoding, validation, admission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from mlsandbox.actions.prove_objects import Planned, placed, pod_of, release_of
from mlsandbox.actions.prove_result import Finding, ProveResult, Step
from mlsandbox.errors import ClusterUnavailable
from mlsandbox.kubernetes_api import APPLY, Cluster, Reply
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.facts import OLDEST
from mlsandbox.render.kubernetes.manifest import KINDS
from mlsandbox.render.kubernetes.names import MANAGER

_STRICT: Final = f"fieldManager={MANAGER}&fieldValidation=Strict"
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_INSTALL: Final[Mapping[str, str]] = {
    "gateway.networking.k8s.io": "install the Gateway API: https://gateway-api.sigs.k8s.io/guides",
    "monitoring.coreos.com": "install the Prometheus Operator: https://prometheus-operator.dev",
    "keda.sh": "install KEDA: https://keda.sh/docs/latest/deploy",
    "external-secrets.io": "install the External Secrets Operator: https://external-secrets.io",
}
"""By API group."""

_UPGRADE: Final = "https://kubernetes.io/docs/tasks/administer-cluster/cluster-upgrade"


def address(manifest: Manifest, namespace: str) -> str:
    """Where an object lies."""
    known = KINDS[manifest["kind"]]
    scope = f"/namespaces/{quote(namespace)}" if known.namespaced else ""
    return f"{group_address(manifest['apiVersion'])}{scope}/{known.plural}/{quote(manifest['metadata']['name'])}"


def group_address(version: str) -> str:
    """Where a version of a group is: "v1", "apps/v1"."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def apply(cluster: Cluster, manifest: Manifest, namespace: str, *, dry_run: bool) -> Reply:
    """Server-side apply of one object."""
    only = "&dryRun=All" if dry_run else ""
    return cluster.ask("PATCH", f"{address(manifest, namespace)}?{_STRICT}&force=true{only}", manifest, kind=APPLY)


def check_release(result: ProveResult, release: tuple[int, int]) -> None:
    """Whether the cluster is new enough for what was written."""
    served = release_of(result.server)
    if served is None:
        result.left_out.append(f"whether the cluster is new enough: it calls itself {result.server!r}, which is no version of Kubernetes")
    elif served < release:
        oldest, wanted, there = (".".join(map(str, each)) for each in (OLDEST, release, served))
        what = f"it is Kubernetes {there}, and what is exported is for {wanted} and newer"
        older = f"upgrade the cluster to {oldest} or newer, the oldest that manifests are made for: {_UPGRADE}"
        fix = older if served < OLDEST else f"sandbox export k8s --k8s-version {there}"
        result.findings.append(Finding(Step.SERVED, "the cluster", what, fix))


def served_objects(cluster: Cluster, planned: Sequence[Planned], result: ProveResult) -> list[Planned]:
    """Those whose kinds the cluster serves; a finding for each of the others that an overlay has."""
    kinds: dict[str, frozenset[str]] = {}
    for version in sorted({each.manifest["apiVersion"] for each in planned}):
        there = cluster.get(group_address(version), absent=True)
        kinds[version] = frozenset(each["kind"] for each in there["resources"]) if isinstance(there, dict) else frozenset()
    served = [each for each in planned if each.manifest["kind"] in kinds[each.manifest["apiVersion"]]]
    missing: dict[tuple[str, str, str], bool] = {}
    for each in planned:
        if each.manifest["kind"] not in kinds[each.manifest["apiVersion"]]:
            key = (each.manifest["kind"], each.manifest["apiVersion"], each.origin)
            missing[key] = missing.get(key, False) or each.used
    for (kind, version, origin), used in missing.items():
        group = version.partition("/")[0]
        subject = f"{kind} (component {origin})" if origin else kind
        fix = _INSTALL.get(group, "a newer Kubernetes serves it")
        if used:
            away = f"   or leave it out: sandbox export k8s --without {origin}" if origin else ""
            result.findings.append(Finding(Step.SERVED, subject, f"the cluster does not serve {version}", f"{fix}{away}"))
        else:
            result.left_out.append(f"{subject}: the cluster does not serve {version}, and no overlay has it. To have it, {fix}")
    return served


def prepare_accounts(cluster: Cluster, planned: Sequence[Planned], namespace: str) -> None:
    """ServiceAccounts, for real: a pod is refused, also in a dry run, whose account is not there."""
    for name in sorted({each.manifest["metadata"]["name"] for each in planned if each.manifest["kind"] == "ServiceAccount"}):
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        made = {**body, "automountServiceAccountToken": False}
        cluster.granted(apply(cluster, made, namespace, dry_run=False), f"creating the ServiceAccount {name}")


def dry_run(cluster: Cluster, planned: Sequence[Planned], namespace: str, result: ProveResult) -> None:
    """Hand in every object, and a pod of each template, without changing anything; what the server says against it is a finding."""
    for each in planned:
        manifest = placed(each.manifest, namespace)
        _note(result, Step.DRY_RUN, each.subject, _able(apply(cluster, manifest, namespace, dry_run=True)))
        result.checked += 1
        pod = pod_of(manifest, namespace)
        if pod is not None:  # what runs in them is refused for pods alone
            where = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&{_STRICT}"
            _note(result, Step.POD, f"a pod of {each.subject}", _able(cluster.ask("POST", where, pod)))
            result.pods += 1


def _note(result: ProveResult, step: Step, subject: str, reply: Reply) -> None:
    found = [Finding(step, subject, f"warning: {each}") for each in reply.warnings]
    if not reply.ok:
        found.append(Finding(step, subject, reply.message))
    result.findings += [each for each in found if each not in result.findings]


def _able(reply: Reply) -> Reply:
    """The reply, when the server was able to judge at all.

    Raises:
        ClusterUnavailable: it was not.
    """
    if reply.status in _BUSY:
        raise ClusterUnavailable("the cluster is too busy to answer", why=reply.message, fix="try again: sandbox export k8s --prove")
    return reply
