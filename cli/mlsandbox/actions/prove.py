"""`sandbox export k8s --prove`: what a cluster says of exported objects, and whether they work there.

Nothing outside of a throw-away namespace is changed. `prove_space` makes and removes it, `prove_dry_run` asks the API server's
opinion of every object, `prove_ready` applies one overlay where there are nodes, `prove_answers` asks the models that run then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.prove_answers import prove_answers
from mlsandbox.actions.prove_dry_run import check_release, dry_run, prepare_accounts, served_objects
from mlsandbox.actions.prove_objects import Planned, admission_labels, light, planned_objects
from mlsandbox.actions.prove_ready import apply_all, wait_ready
from mlsandbox.actions.prove_result import Finding, ProvedModel, ProveResult, Step
from mlsandbox.actions.prove_space import new_name, throw_away
from mlsandbox.kubernetes_api import Cluster, Deadline, connect
from mlsandbox.project import Project
from mlsandbox.render.kubernetes.bundle import Export, Manifest
from mlsandbox.render.kubernetes.facts import OLDEST, ExportFacts
from mlsandbox.render.kubernetes.overlays import DEV
from mlsandbox.render.kubernetes.plain import plain_objects

__all__ = ["Finding", "ProveResult", "ProvedModel", "Step", "prove", "prove_export"]

DEFAULT_SECONDS: Final = 600.0
OVERLAY: Final = DEV
"""What is applied: the lightest."""
_FOR_WAITING: Final = 0.8
"""Share of the time that is left in which all must be ready; the rest is for asking it."""


def prove_export(
    project: Project, export: Export, facts: ExportFacts, *, context: str | None, timeout: float | None, report: Report
) -> ProveResult:
    """Prove all that an export holds: every overlay and component by a dry run, the overlay for development for real.

    Raises:
        ProgramMissing: there is no kubectl.
        ClusterUnavailable: the cluster is not reached, or does not let us do what is needed.
    """
    return prove(
        planned_objects(export),
        plain_objects(export, OVERLAY),
        project=project.name,
        root=project.root,
        release=facts.release,
        context=context,
        timeout=timeout,
        report=report,
    )


def prove(
    planned: Sequence[Planned],
    applied: Sequence[Manifest],
    *,
    project: str,
    root: Path,
    release: tuple[int, int] = OLDEST,
    context: str | None,
    timeout: float | None,
    report: Report,
) -> ProveResult:
    """Hold objects to a cluster.

    Args:
        planned: what goes through the dry run.
        applied: what is applied where there are nodes.
        project: its name, by which namespaces of earlier proofs are known.
        root: its folder, whose packages hold golden rows.
        release: the oldest Kubernetes that the objects are for.
        context: of kubectl's settings; None: the current one.
        timeout: seconds for all but the cleaning up; None: the default.
        report: told of each step.

    Raises:
        ProgramMissing: there is no kubectl.
        ClusterUnavailable: the cluster is not reached, or does not let us do what is needed.
    """
    deadline = Deadline(timeout or DEFAULT_SECONDS)
    report.step("Reaching the cluster")
    with connect(context, deadline) as cluster:
        version = cluster.get("/version")
        result = ProveResult(context, str(version.get("gitVersion", "") if isinstance(version, dict) else ""), new_name())
        report.done(f"Reached Kubernetes {result.server}")
        check_release(result, release)
        served = served_objects(cluster, planned, result)
        result.ready_nodes = _ready_nodes(cluster)
        labels = admission_labels(applied)
        with throw_away(cluster, result.namespace, labels, project=project, report=report, result=result):
            report.step(f"Asking the API server's opinion of {len(served)} objects")
            prepare_accounts(cluster, served, result.namespace)
            dry_run(cluster, served, result.namespace, result)
            report.done(f"{result.checked} objects and {result.pods} pods went through a dry run")
            if result.ready_nodes:
                _prove_for_real(cluster, applied, root, report, result)
            else:
                why = "its nodes may not be listed" if result.ready_nodes is None else "the cluster has no node that is ready"
                result.left_out.append(f"only the dry run was done: {why}")
    result.conclude()
    return result


def _prove_for_real(cluster: Cluster, applied: Sequence[Manifest], root: Path, report: Report, result: ProveResult) -> None:
    """Apply, wait, ask."""
    objects, left = light(applied, result.namespace)
    if left:
        result.left_out.append(f"not applied, since they reach out of the namespace: {', '.join(left)}")
    report.step(f"Applying {len(objects)} objects")
    values, taken = apply_all(cluster, objects, result.namespace, result)
    report.step("Waiting until all of it is ready")
    ready = wait_ready(cluster, taken, result.namespace, result, Deadline(cluster.deadline.left * _FOR_WAITING))
    if not ready:
        result.left_out.append("answers, metrics and events: not everything became ready")
        return
    report.done("All of it is ready")
    report.step("Asking the models")
    prove_answers(cluster, taken, root=root, values=values, result=result)


def _ready_nodes(cluster: Cluster) -> int | None:
    """None when they may not be listed."""
    reply = cluster.ask("GET", "/api/v1/nodes")
    if not reply.ok:
        return None
    conditions = [node.get("status", {}).get("conditions") or () for node in reply.body["items"]]
    return sum(any(each.get("type") == "Ready" and each.get("status") == "True" for each in those) for those in conditions)
