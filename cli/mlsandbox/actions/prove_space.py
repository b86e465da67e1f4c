"""The throw-away namespace of a proof: made, and gone at the end in every case."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.prove_holder import is_gone, this_process
from mlsandbox.actions.prove_result import Finding, ProveResult, Step
from mlsandbox.errors import ClusterUnavailable
from mlsandbox.kubernetes_api import Cluster, Deadline, Reply
from mlsandbox.render.kubernetes.names import MANAGER

PREFIX: Final = "sandbox-prove-"
LABEL: Final = "mlsandbox.org/prove"
PROJECT: Final = "mlsandbox.org/project"
HOLDER: Final = "mlsandbox.org/prove-holder"
"""The process that proves in it, in the words of `prove_holder`."""
ENDS: Final = "mlsandbox.org/prove-ends"
"""Unix time at which no proof is at work in it any more."""
POLL_SECONDS: Final = 0.5
_NAMESPACES: Final = "/api/v1/namespaces"
_CLEAN_UP_SECONDS: Final = 180.0
_LAST_SECONDS: Final = 5.0
"""For having it removed when nobody waits any longer."""
_SKEW_SECONDS: Final = 60.0
"""By which the clocks of two machines may differ."""
_NO_CONTROLLER_SECONDS: Final = 10.0
"""A cluster without nodes may have nobody either who empties namespaces."""
_OURS: Final = ("serviceaccounts", "configmaps", "secrets", "services", "pods", "persistentvolumeclaims")


def new_name() -> str:
    """A name that nobody has."""
    return f"{PREFIX}{secrets.token_hex(4)}"


@contextmanager
def throw_away(
    cluster: Cluster, name: str, labels: Mapping[str, str], *, project: str, report: Report, result: ProveResult
) -> Iterator[None]:
    """The namespace, inside; what an earlier proof left is removed first.

    Args:
        cluster: where.
        name: of `new_name`.
        labels: further ones.
        project: whose proof it is.
        report: told of it.
        result: gets a finding when it does not go away.
    """
    _remove_left_over(cluster, project, report)
    ends = time.time() + cluster.deadline.left + _CLEAN_UP_SECONDS
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": MANAGER, LABEL: "true", **labels},
            "annotations": {PROJECT: project, HOLDER: this_process(), ENDS: str(int(ends))},
        },
    }
    report.step(f"Making the namespace {name}, which is removed at the end")
    made, uid = True, ""  # also while nobody knows yet: the answer may be lost
    try:
        reply = cluster.ask("POST", _NAMESPACES, body)
        made = reply.ok
        uid = cluster.granted(reply, f"creating the namespace {name}")["metadata"]["uid"]
        yield
    finally:
        if made:
            _clean_up(cluster, name, uid, report, result)


def _clean_up(cluster: Cluster, name: str, uid: str, report: Report, result: ProveResult) -> None:
    began, by_hand = time.monotonic(), f"kubectl delete namespace {name}"
    cluster.deadline = Deadline(_CLEAN_UP_SECONDS)
    removal = _Removal(cluster, name, uid, alone=not result.ready_nodes)
    try:
        report.step(f"Removing the namespace {name}")
        why = removal.finish()
    except BaseException:  # an interrupt: nobody waits any longer
        try:
            removal.ask_only()
        finally:
            report.warn(f"nobody waited until the namespace {name} was gone; if it is still there, remove it: {by_hand}")
        raise
    if why is None:
        report.done(f"Removed the namespace {name}")
        return
    why = f": {why}" if why else ""
    report.warn(f"the namespace {name} is not gone{why}; remove it: {by_hand}")
    over = f"it is not gone after {time.monotonic() - began:.0f} s{why}"
    result.findings.append(Finding(Step.CLEAN_UP, f"Namespace {name}", over, by_hand))


class _Removal:
    """The way of a namespace until it is gone. What fails by the way may pass, and is tried again.

    Args:
        cluster: where; its deadline holds.
        name: of the namespace.
        uid: empty: the one is meant that this process has made, if there is one.
        alone: nobody may be there who empties it: then it is done here.
    """

    def __init__(self, cluster: Cluster, name: str, uid: str, *, alone: bool) -> None:
        self._cluster, self._name, self._uid, self._alone = cluster, name, uid, alone
        self._patience: Deadline | None = None
        """From when on it is being removed."""

    def finish(self) -> str | None:
        """None once it is gone; else why it is not."""
        why = ""
        while not self._cluster.deadline.over:
            try:
                if self._goes_on():
                    return None
                why = ""
            except ClusterUnavailable as error:
                why = error.why or error.what
                if not error.passes:
                    break
            time.sleep(POLL_SECONDS)
        return why

    def ask_only(self) -> None:
        """Have it removed, and do not wait for it."""
        self._cluster.deadline = Deadline(_LAST_SECONDS)
        with contextlib.suppress(ClusterUnavailable):
            if not self._is_gone_before():
                _delete(self._cluster, self._name, self._uid)

    def _goes_on(self) -> bool:
        """Whether it is gone."""
        where = f"{_NAMESPACES}/{self._name}"
        if self._is_gone_before():
            return True
        if self._patience is None:
            reply = _delete(self._cluster, self._name, self._uid)
            if reply.status == HTTPStatus.NOT_FOUND:
                return True
            if reply.status != HTTPStatus.CONFLICT:  # it is being removed already, or another one has its name
                self._cluster.granted(reply, f"removing the namespace {self._name}")
            self._patience = Deadline(_NO_CONTROLLER_SECONDS)
        there = self._cluster.get(where, absent=True)
        if there is None or there["metadata"]["uid"] != self._uid:
            return True
        if self._alone and self._patience.over:
            _finalize(self._cluster, where, there)
            self._alone = False
        return False

    def _is_gone_before(self) -> bool:
        """Whether there is none that could be removed."""
        self._uid = self._uid or _uid_of_ours(self._cluster, self._name)
        return not self._uid


def _uid_of_ours(cluster: Cluster, name: str) -> str:
    """Of the namespace that this process has made; empty when there is none."""
    there = cluster.get(f"{_NAMESPACES}/{name}", absent=True)
    ours = there is not None and there["metadata"].get("annotations", {}).get(HOLDER) == this_process()
    return there["metadata"]["uid"] if ours else ""


def _delete(cluster: Cluster, name: str, uid: str) -> Reply:
    """Another namespace that has the same name by now is not meant."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}}
    return cluster.ask("DELETE", f"{_NAMESPACES}/{name}", options)


def _finalize(cluster: Cluster, where: str, namespace: dict[str, Any]) -> None:
    """Let an empty namespace go that nobody else lets go."""
    for kind in _OURS:
        cluster.ask("DELETE", f"{where}/{kind}")
    if any(cluster.get(f"{where}/{kind}")["items"] for kind in _OURS):
        return
    cluster.ask("PUT", f"{where}/finalize", {**namespace, "spec": {"finalizers": []}})


def _remove_left_over(cluster: Cluster, project: str, report: Report) -> None:
    """Remove what proofs of this project left that were killed; one that may still be at work is let be, and told of."""
    reply = cluster.ask("GET", f"{_NAMESPACES}?labelSelector={quote(f'{LABEL}=true')}")
    if not reply.ok:  # whoever may not list them can still make one
        return
    for each in reply.body["items"]:
        name, notes = each["metadata"]["name"], each["metadata"].get("annotations", {})
        if notes.get(PROJECT) != project or not name.startswith(PREFIX):
            continue
        if not _is_abandoned(notes):
            report.note(
                f"the namespace {name} is that of another proof of this project, which may still be at work; "
                f"when it is not: kubectl delete namespace {name}"
            )
            continue
        report.note(f"removing the namespace {name}, which a proof left that was ended")
        with contextlib.suppress(ClusterUnavailable):
            cluster.granted(_delete(cluster, name, each["metadata"]["uid"]), f"removing the namespace {name}")


def _is_abandoned(notes: Mapping[str, str]) -> bool:
    """Whether its proof was ended: its process is gone, or its time is over. Without either nobody knows."""
    ends = notes.get(ENDS, "")
    is_over = ends.isdecimal() and int(ends) + _SKEW_SECONDS < time.time()
    return is_over or is_gone(notes.get(HOLDER, ""))
