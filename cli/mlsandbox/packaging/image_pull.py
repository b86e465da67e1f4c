"""Pulling images through the engine's API: side by side, with progress, and with errors that say which of many things it was."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty, Queue
from typing import Any, Final

from mlsandbox.docker_host import NONSENSE, connect
from mlsandbox.errors import ImagePullFailed
from mlsandbox.packaging.image_build import Report
from mlsandbox.run import mask_passwords

_AT_ONCE: Final = 4
_TELL_SECONDS: Final = 3.0
_STALLED_SECONDS: Final = 300
"""Without a word from the engine; its library would wait for ever."""
_HUB_LIMIT: Final = re.compile(r"toomanyrequests|rate limit", re.IGNORECASE)
_DENIED: Final = re.compile(r"denied|unauthorized|no basic auth|authentication required|403 Forbidden", re.IGNORECASE)
_ABSENT: Final = re.compile(r"manifest unknown|not found|no such image|name unknown|no matching manifest", re.IGNORECASE)
_CERTIFICATE: Final = re.compile(r"x509|certificate|tls:", re.IGNORECASE)
_DISK: Final = re.compile(r"no space left on device", re.IGNORECASE)


class _Stopped(Exception):
    """Another pull failed, or the command was interrupted."""


class Transfer:
    """How far the pulls are, told by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._layers: dict[tuple[str, str], tuple[int, int]] = {}
        self._last_word = time.monotonic()

    @property
    def is_stalled(self) -> bool:
        return time.monotonic() - self._last_word > _STALLED_SECONDS

    def note(self, image: str, event: Mapping[str, Any]) -> None:
        """Take what the engine said about one layer of an image."""
        self._last_word = time.monotonic()
        layer, detail = event.get("id"), event.get("progressDetail") or {}
        if not layer:
            return
        with self._lock:
            total = self._layers.get((image, layer), (0, 0))[1]
            if event.get("status") == "Downloading" and detail.get("total"):
                self._layers[image, layer] = (int(detail["current"]), int(detail["total"]))
            elif event.get("status") in {"Download complete", "Pull complete", "Extracting"} and total:
                self._layers[image, layer] = (total, total)

    def of(self, images: Iterable[str] | None = None) -> tuple[int, int]:
        """Bytes that are here, and bytes that are known of."""
        with self._lock:
            names = None if images is None else set(images)
            amounts = [amount for (image, _), amount in self._layers.items() if names is None or image in names]
        return sum(done for done, _ in amounts), sum(total for _, total in amounts)


def pull_images(names: Sequence[str], report: Report) -> None:
    """Pull all of them.

    Raises:
        ImagePullFailed: the first that could not be had; the others are given up.
        EngineUnavailable: Docker does not answer.
    """
    transfer, stop, gate = Transfer(), threading.Event(), threading.Semaphore(_AT_ONCE)
    ended: Queue[tuple[str, Exception | None]] = Queue()

    def work(name: str) -> None:
        try:
            with gate:
                _pull(name, transfer, stop)
        except Exception as error:  # noqa: BLE001 - raised again by who waits
            ended.put((name, error))
        else:
            ended.put((name, None))

    for name in names:  # daemons: a command that was interrupted does not wait for an engine that says nothing
        threading.Thread(target=work, args=(name,), name=f"pull {name}", daemon=True).start()
    try:
        _await(list(names), ended, transfer, report)
    finally:
        stop.set()


def pull_error(name: str, said: str) -> ImagePullFailed:
    """Why an image could not be pulled, from the engine's words."""
    registry = registry_of(name)
    elsewhere = "have it from elsewhere: stack.registry or [stack.images] in sandbox.toml"
    if _DISK.search(said):
        why, fix = "the disk of the Docker engine is full", "make room: docker system df shows what takes it"
    elif _HUB_LIMIT.search(said):
        why, fix = f"{registry} allows no more pulls for now", f"log in, which allows more: docker login   or {elsewhere}"
    elif _ABSENT.search(said):
        why, fix = f"{registry} has no such image for this machine", f"correct the name, or {elsewhere}"
    elif _DENIED.search(said):
        why, fix = f"{registry} denies it, or has no such image", f"docker login {registry}   or {elsewhere}"
    elif _CERTIFICATE.search(said):
        why, fix = f"the Docker engine does not trust {registry}", f"give the engine the certificate: /etc/docker/certs.d/{registry}/ca.crt"
    else:
        why = f"the Docker engine does not reach {registry}"
        fix = f"connect once and fetch all images: sandbox pull   or {elsewhere}; a proxy is a setting of the engine (docker info)"
    return ImagePullFailed(
        f"the image {name} cannot be pulled", why=f"{why}\n{mask_passwords(said.strip())}", fix=fix, details={"image": name}
    )


def registry_of(name: str) -> str:
    """The host that an image's name stands for: "docker.io" for names without one."""
    first, slash, _ = name.partition("/")
    return first if slash and (set(".:") & set(first) or first == "localhost") else "docker.io"


def _await(pending: list[str], ended: Queue[tuple[str, Exception | None]], transfer: Transfer, report: Report) -> None:
    began, told = time.monotonic(), -_TELL_SECONDS
    while pending:
        if time.monotonic() - told >= _TELL_SECONDS:
            report.step(_progress(pending, *transfer.of()))
            told = time.monotonic()
        try:
            name, error = ended.get(timeout=_TELL_SECONDS)
        except Empty:
            if transfer.is_stalled:
                raise pull_error(pending[0], f"no word from the Docker engine for {_STALLED_SECONDS} s") from None
            continue
        if error is not None:
            raise error
        pending.remove(name)
        size = transfer.of([name])[1]
        report.done(f"Pulled {name}", _size(size) if size else "", time.monotonic() - began)


def _progress(names: Sequence[str], here: int, known: int) -> str:
    what = f"Pulling {names[0]}" if len(names) == 1 else f"Pulling {len(names)} images"
    return f"{what}: {_size(here)} of {_size(known)}" if known else what


def _size(number: int) -> str:
    return f"{number / 1e6:.0f} MB"


def _pull(name: str, transfer: Transfer, stop: threading.Event) -> None:
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - slow to import
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    repository, tag = _parts(name)
    client = connect(timeout=_STALLED_SECONDS)
    try:
        for event in client.api.pull(repository, tag=tag, stream=True, decode=True):
            if stop.is_set():
                raise _Stopped
            if "error" in event:
                raise pull_error(name, str(event["error"]))
            transfer.note(name, event)
    except APIError as error:
        raise pull_error(name, str(error.explanation or error)) from error
    except (DockerException, RequestException, *NONSENSE) as error:
        raise pull_error(name, str(error)) from error
    finally:
        client.close()


def _parts(name: str) -> tuple[str, str | None]:
    """Repository and tag; a digest is part of the repository's name for the engine."""
    if "@" in name:
        return name, None
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")
