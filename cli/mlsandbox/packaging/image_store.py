"""Which images this machine has, from one look at the engine's list."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlsandbox.docker_host import CONTENT, ImageRef, answering, connect

_YOUNG_SECONDS: Final = 3_600.0
_HUB: Final = ("docker.io/", "index.docker.io/")


@dataclass(frozen=True, slots=True)
class LocalImages:
    """The images that are here."""

    ids: Mapping[str, str]
    """By every name they have, short as the engine lists them."""
    contents: Mapping[str, str]
    """By id: the label of those that we built."""

    def find(self, name: str, content: str | None = None) -> ImageRef | None:
        """The image of that name, when it is here and, if it was built, was made of `content`."""
        found = self.ids.get(short_name(name))
        if found is None or (content is not None and self.contents.get(found) != content):
            return None
        return ImageRef(name, found)


def local_images() -> LocalImages:
    """Look.

    Raises:
        EngineUnavailable: Docker does not answer.
    """
    with contextlib.closing(connect()) as client, answering():
        listed: list[dict[str, Any]] = client.api.images()
        return LocalImages(
            ids={name: each["Id"] for each in listed for name in _names(each)},
            contents={each["Id"]: each["Labels"][CONTENT] for each in listed if CONTENT in (each.get("Labels") or {})},
        )


@contextlib.contextmanager
def replacing(name: str) -> Iterator[None]:
    """Remove the image that had this name before, once another one has it and nothing runs from it any more."""
    before = local_images().find(name)
    yield
    after = local_images().find(name)
    if before is None or after is None or before.id == after.id:
        return
    from docker.errors import APIError  # noqa: PLC0415 - slow to import

    client = connect()
    with contextlib.suppress(APIError), contextlib.closing(client):  # in use, or it has another name too: then it stays
        client.api.remove_image(before.id)


def remove_superseded(name: str, in_use: Collection[str], *, older_than: float = _YOUNG_SECONDS) -> tuple[str, ...]:
    """Remove what was built before of the image that has this name, as far as nothing is made from it: neither a container nor a stack.

    Args:
        name: of the newest; the others differ from it in their tag.
        in_use: texts that name the images of stacks, which may be stopped.
        older_than: seconds; of a younger one another command may be about to make a container.

    Returns:
        The names that are gone.
    """
    from docker.errors import APIError  # noqa: PLC0415 - slow to import

    gone = []
    with contextlib.closing(connect()) as client, answering():
        running = {each["ImageID"] for each in client.api.containers(all=True)}
        built = [each for each in client.api.images(filters={"label": [CONTENT]}) if each["Created"] <= time.time() - older_than]
        tags = [(each["Id"], tag) for each in built for tag in each.get("RepoTags") or ()]
        for identity, tag in tags:
            is_other = tag != name and tag.rpartition(":")[0] == name.rpartition(":")[0]
            if is_other and identity not in running and not any(tag in text for text in in_use):
                with contextlib.suppress(APIError):  # somebody was quicker, one way or the other
                    client.api.remove_image(tag)
                    gone.append(tag)
    return tuple(gone)


def short_name(name: str) -> str:
    """A name as the engine lists it: Docker Hub's without its host, and always with a tag or a digest."""
    for host in _HUB:
        if name.startswith(host):
            name = name.removeprefix(host).removeprefix("library/")
    if "@" in name:
        repository, digest = name.split("@")
        return f"{_untagged(repository)}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _untagged(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _names(image: Mapping[str, Any]) -> Iterator[str]:
    yield image["Id"]
    yield from image.get("RepoTags") or ()
    yield from image.get("RepoDigests") or ()
