"""Objects held to Kubernetes' schemas, unknown fields included; they come with the package kubernetes-validate."""

from __future__ import annotations

import functools
from typing import Any

import kubernetes_validate
import kubernetes_validate.utils

from kubernetes_standin.kinds import Kind
from kubernetes_standin.refusal import Refused

kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)  # megabytes, for each object
_UNKNOWN = "Additional properties are not allowed"


def check(kind: Kind, manifest: dict[str, Any], release: str, *, applied: bool) -> None:
    """Refuse what the schema of its kind does not allow.

    Args:
        kind: of the object.
        manifest: the object.
        release: Kubernetes', "1.36".
        applied: whether it comes by a server-side apply, which finds unknown fields another way than other requests.
    """
    if not kind.known:
        return
    try:
        kubernetes_validate.validate(manifest, release, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
        raise _refused(kind, manifest, path, error.message, applied=applied) from error


def _refused(kind: Kind, manifest: dict[str, Any], path: str, message: str, *, applied: bool) -> Refused:
    metadata = manifest["metadata"]
    if message.startswith(_UNKNOWN):
        unknown = message.split("'")[1]
        if not applied:
            text = f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: strict decoding error: unknown field'
            return Refused(400, f'{text} "{path.lstrip(".")}.{unknown}"')
        where = f"{metadata.get('namespace', '')}/{metadata['name']}; {kind.version}, Kind={kind.name}"
        return Refused(500, f"failed to create typed patch object ({where}): {path}.{unknown}: field not declared in schema")
    return Refused(422, f'{kind.qualified} "{metadata["name"]}" is invalid: {path.lstrip(".") or "object"}: Invalid value: {message}')
