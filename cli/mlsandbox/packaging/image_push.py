"""Pushing images to a registry through the engine's API; what comes back is the digest by which a cluster gets them."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mlsandbox.docker_host import NONSENSE, ImageRef, answering, connect
from mlsandbox.errors import ImagePushFailed
from mlsandbox.packaging.image_build import Report
from mlsandbox.packaging.image_pull import registry_of
from mlsandbox.run import mask_passwords

if TYPE_CHECKING:
    from docker import DockerClient

_STALLED_SECONDS: Final = 300
"""Without a word from the engine; its library would wait for ever."""
_DENIED: Final = re.compile(r"denied|unauthorized|no basic auth|authentication required|403 Forbidden|insufficient_scope", re.IGNORECASE)
_CERTIFICATE: Final = re.compile(r"x509|certificate|tls:|server gave HTTP response to HTTPS client", re.IGNORECASE)
_UNREACHED: Final = re.compile(
    r"connection refused|no such host|timeout|i/o|no route to host|network is unreachable|proxyconnect|no word from", re.IGNORECASE
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def push_image(image: ImageRef, name: str, report: Report) -> str:
    """Push an image of this machine under another name.

    Args:
        image: which.
        name: where to, "registry.example.com/team/churn:v3"; this machine forgets it afterwards unless it knew it before.
        report: told what takes time.

    Returns:
        The name with the digest that the registry knows it by.

    Raises:
        ImagePushFailed: the registry does not take it.
        EngineUnavailable: Docker does not answer.
    """
    began = time.monotonic()
    report.step(f"Pushing {name}")
    repository, _, tag = name.rpartition(":")
    with contextlib.closing(connect(timeout=_STALLED_SECONDS)) as client, _tagged(client, image, repository, tag):
        digest = _push(client, repository, tag)
    report.done(f"Pushed {name}", digest[:19], time.monotonic() - began)
    return f"{name}@{digest}"


def push_error(name: str, said: str) -> ImagePushFailed:
    """Why an image could not be pushed, from the engine's words."""
    registry = registry_of(name)
    if _DENIED.search(said):
        why, fix = f"{registry} wants a login, or lets this user not write there", f"docker login {registry}"
    elif _CERTIFICATE.search(said):
        why, fix = f"the Docker engine does not trust {registry}", f"give the engine the certificate: /etc/docker/certs.d/{registry}/ca.crt"
    elif _UNREACHED.search(said):
        why, fix = (
            f"the Docker engine does not reach {registry}",
            "sandbox export k8s --to-registry HOST/FOLDER   with its right name; a proxy is a setting of the engine",
        )
    else:
        why, fix = f"{registry} refused it", f"try it by hand: docker push {name}   or log in first: docker login {registry}"
    return ImagePushFailed(
        f"the image {name} cannot be pushed", why=f"{why}\n{mask_passwords(said.strip())}", fix=fix, details={"image": name}
    )


@contextlib.contextmanager
def _tagged(client: DockerClient, image: ImageRef, repository: str, tag: str) -> Any:
    """Have the image under the other name for as long as it takes."""
    from docker.errors import APIError, ImageNotFound  # noqa: PLC0415 - slow to import

    name = f"{repository}:{tag}"
    with answering():
        try:
            client.images.get(name)
            is_new = False
        except ImageNotFound:
            is_new = True
        client.api.tag(image.id, repository, tag)
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(APIError):
                client.api.remove_image(name, noprune=True)


def _push(client: DockerClient, repository: str, tag: str) -> str:
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - slow to import
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    name, digest = f"{repository}:{tag}", ""
    try:
        for event in client.api.push(repository, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise push_error(name, str(event["error"]))
            digest = _told(event) or digest
    except APIError as error:
        raise push_error(name, str(error.explanation or error)) from error
    except (DockerException, RequestException, *NONSENSE) as error:
        raise push_error(name, str(error)) from error
    if not digest:
        raise push_error(name, "the Docker engine did not say under which digest the registry has it")
    return digest


def _told(event: Mapping[str, Any]) -> str:
    """The digest, in the words of one line or in its appendix."""
    aux = event.get("aux")
    told = str(aux.get("Digest", "")) if isinstance(aux, Mapping) else str(event.get("status", ""))
    found = _DIGEST.search(told) if isinstance(aux, Mapping) or "digest:" in told else None
    return found[0] if found else ""
