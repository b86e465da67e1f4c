"""The folders of a pod (pure): data, what may be forgotten, configuration files and secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from mlsandbox.render.containers import CONFIG
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.resolver import SECRETS
from mlsandbox.render.kubernetes.resources import MIB, bytes_of, quantity
from mlsandbox.render.kubernetes.variables import file_key, files_name
from mlsandbox.stack.spec import DataFolder, SecretFile, ServiceSpec
from mlsandbox_serving.contract import Env

SECRETS_VOLUME: Final = "secrets"
_TMP: Final = "/tmp"  # noqa: S108 - the container's own
_TMP_BYTES: Final = 256 * MIB
_FOLDER_BYTES: Final = 256 * MIB
_SPOOL_MARGIN: Final = 64 * MIB
"""Files that are being written, above what a spool holds."""
_READABLE: Final = 0o440


def volume_name(path: str) -> str:
    """The volume that lies at a path: "/var/lib/sandbox/spool" -> "spool"."""
    return PurePosixPath(path).name


def volumes(
    services: Sequence[ServiceSpec], name: str, claims: Mapping[str, str], files: Iterable[str], extra: Sequence[Manifest]
) -> list[dict[str, Any]]:
    """All volumes of a pod.

    Args:
        services: those that run in it; the first one has /tmp as the volume "tmp", the others have one of their own.
        name: of the pod's objects.
        claims: see `Workload.claims`.
        files: paths of the configuration files.
        extra: further volumes.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, service in enumerate(services):
        for folder in _folders(service):
            claim = claims.get(folder.name)
            if claim is None:
                found.setdefault(volume_name(folder.mount), _empty(_bytes(service, folder)))
            elif claim:
                found[volume_name(folder.mount)] = {"persistentVolumeClaim": {"claimName": claim}}
        found[tmp_volume(service.component if number else "")] = _empty(_TMP_BYTES)
        found |= {volume_name(path): _empty(_FOLDER_BYTES) for path in service.scratch}
    paths = sorted(files)
    if paths:
        items = [{"key": file_key(path), "path": path} for path in paths]
        found["config"] = {"configMap": {"name": files_name(name), "items": items}}
    secrets = sorted({each for service in services for each in secret_names(service)})
    if secrets:
        found[SECRETS_VOLUME] = secrets_volume(secrets)
    return [*({"name": each, **source} for each, source in sorted(found.items())), *extra]


def mounts(service: ServiceSpec, *, name: str, files: bool) -> list[dict[str, Any]]:
    """Where a container has them.

    Args:
        service: what runs in it.
        name: of the container, when it is not the pod's first.
        files: whether the pod has configuration files for it.
    """
    found = {folder.mount: volume_name(folder.mount) for folder in _folders(service)}
    found |= {path: volume_name(path) for path in service.scratch}
    found[_TMP] = tmp_volume(name)
    described: list[dict[str, Any]] = [{"name": each, "mountPath": path} for path, each in sorted(found.items())]
    if files:
        described.append({"name": "config", "mountPath": CONFIG, "readOnly": True})
    if secret_names(service):
        described.append(secrets_mount())
    return described


def secrets_volume(secrets: Iterable[str]) -> dict[str, Any]:
    """A folder with a file for each secret: the key of that name, of the Secret of that name."""
    sources = [{"secret": {"name": each, "optional": False, "items": [{"key": each, "path": each}]}} for each in secrets]
    return {"projected": {"defaultMode": _READABLE, "sources": sources}}


def secrets_mount() -> dict[str, Any]:
    """Where a container has that folder."""
    return {"name": SECRETS_VOLUME, "mountPath": SECRETS, "readOnly": True}


def secret_names(service: ServiceSpec) -> tuple[str, ...]:
    """The secrets that a service reads."""
    return tuple(sorted({each.name for each in service.references() if isinstance(each, SecretFile)}))


def folder_bytes(service: ServiceSpec, claims: Mapping[str, str], others: Sequence[ServiceSpec] = ()) -> int:
    """What a container may fill of the pod's own storage; a folder that it shares counts for one of `others`."""
    shared = {folder.name for other in others for folder in _folders(other)}
    own = [_bytes(service, each) for each in _folders(service) if each.name not in claims and each.name not in shared]
    return sum(own) + _TMP_BYTES + _FOLDER_BYTES * len(service.scratch)


def extra_bytes(extra: Iterable[Manifest]) -> int:
    """The same of further volumes: those that are emptyDirs."""
    return sum(bytes_of(each["emptyDir"]["sizeLimit"]) for each in extra if "emptyDir" in each)


def tmp_volume(container: str) -> str:
    """The volume of a container's /tmp; of the pod's first without a name."""
    return f"tmp-{container}" if container else "tmp"


def _folders(service: ServiceSpec) -> tuple[DataFolder, ...]:
    return tuple(dict.fromkeys(each for each in service.references() if isinstance(each, DataFolder)))


def _bytes(service: ServiceSpec, folder: DataFolder) -> int:
    if service.env.get(Env.SPOOL_DIR) == folder:
        return int(str(service.env[Env.SPOOL_BYTES])) + _SPOOL_MARGIN
    return _FOLDER_BYTES


def _empty(size: int) -> dict[str, Any]:
    return {"emptyDir": {"sizeLimit": quantity(size)}}
