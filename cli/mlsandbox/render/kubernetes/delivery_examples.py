"""Volumes for packages that exist already or are cloned (pure): files that lie beside the component and are not applied."""

from __future__ import annotations

from typing import Any, Final

from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import KINDS, manifest
from mlsandbox.render.kubernetes.manifest_text import comment, header, manifest_text
from mlsandbox.render.kubernetes.names import MANAGER
from mlsandbox.render.kubernetes.workload import USER
from mlsandbox.render.tree import RenderedFile

_SHARED: Final = ("ReadWriteMany", "ReadOnlyMany")
"""What the storage can do; the claim asks for the first."""
_LABELS: Final = {"app.kubernetes.io/managed-by": MANAGER}


def static_examples(facts: ExportFacts, claim: str, size: str) -> tuple[RenderedFile, ...]:
    """Volumes that an administrator makes, and how the claim is bound to one.

    Args:
        facts: the namespace.
        claim: name of the first model's claim.
        size: that it asks for.
    """
    nfs = {"nfs": {"server": "nfs.example.com", "path": f"/exports/{claim}"}, "mountOptions": ["nfsvers=4.1"]}
    csi = {"csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-0123456789abcdef0"}}
    bind = [
        {"op": "add", "path": "/spec/storageClassName", "value": ""},
        {"op": "add", "path": "/spec/volumeName", "value": _volume(facts, claim)},
    ]
    return (
        _file(
            "persistentvolume-nfs.yaml",
            (
                "A volume that is there already: a folder of an NFS server.",
                f"The user and group {USER} must be able to write to the folder: NFS does not change owners.",
                *_BIND,
            ),
            _persistent(facts, claim, size, nfs),
        ),
        _file(
            "persistentvolume-csi.yaml",
            ("A volume that is there already, behind a CSI driver: here a file system of AWS EFS.", *_BIND),
            _persistent(facts, claim, size, csi),
        ),
        _file(
            "persistentvolumeclaim-patch.yaml",
            (
                "Binds the claim to that volume and to no storage class. In an overlay:",
                "  patches:",
                "    - path: persistentvolumeclaim-patch.yaml",
                f"      target: {{kind: PersistentVolumeClaim, name: {claim}}}",
            ),
            bind,
        ),
    )


def clone_example(facts: ExportFacts, claim: str, size: str) -> RenderedFile:
    """For block storage: the pods read a clone of what the Job has filled."""
    document = manifest(
        "PersistentVolumeClaim",
        f"{claim}-read",
        namespace=facts.namespace,
        labels=_LABELS,
        spec={
            "accessModes": ["ReadOnlyMany"],
            "dataSource": {"kind": "PersistentVolumeClaim", "name": claim},
            "resources": {"requests": {"storage": size}},
        },
    )
    return _file(
        "readonlymany-clone.yaml",
        (
            "For storage that one node alone can write, of a CSI driver that clones (as most drivers of block storage do):",
            f"1. let {claim} ask for ReadWriteOnce, by a patch of /spec/accessModes/0, and wait until its Job is complete;",
            "2. only then apply this claim, which is a copy of it that many nodes read; a new image needs a new one;",
            "3. let the pods of the model mount it: a patch of claimName in the volume named model of its Deployment.",
        ),
        document,
    )


_BIND: Final = (
    "Whoever looks after the cluster applies it; persistentvolumeclaim-patch.yaml binds the claim to it.",
    "It is written by the Job alone, and kept when the claim is deleted.",
)


def _persistent(facts: ExportFacts, claim: str, size: str, source: dict[str, Any]) -> dict[str, Any]:
    kind = KINDS["PersistentVolumeClaim"]
    return manifest(
        "PersistentVolume",
        _volume(facts, claim),
        namespace="",
        labels=_LABELS,
        spec={
            "capacity": {"storage": size},
            "accessModes": list(_SHARED),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"apiVersion": kind.version, "kind": "PersistentVolumeClaim", "namespace": facts.namespace, "name": claim},
            **source,
        },
    )


def _volume(facts: ExportFacts, claim: str) -> str:
    """Volumes lie in no namespace."""
    return f"{facts.namespace}-{claim}"


def _file(name: str, told: tuple[str, ...], document: object) -> RenderedFile:
    return RenderedFile(name, header() + comment("", *told, "") + manifest_text(document))
