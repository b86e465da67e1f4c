"""Which images a stack uses, and by which names."""

from __future__ import annotations

import re

import pytest

from mlsandbox.errors import ConfigInvalid
from mlsandbox.packaging.image_store import LocalImages, short_name
from mlsandbox.packaging.images_catalog import catalog, check_overrides, reference
from support.repository import ROOT

KEYS = {"python", "prometheus", "alertmanager", "grafana", "fluentd", "elasticsearch", "elasticsearch-exporter", "haproxy"}


def test_every_image_is_pinned_licensed_and_explained() -> None:
    """Each image must have an exact version, a licence, a use, a known probe and a user."""
    images = catalog()

    assert set(images) == KEYS
    for image in images.values():
        name, _, tag = image.image.rpartition(":")
        assert re.fullmatch(r"v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?|\{minor\}-slim", tag), image
        assert re.fullmatch(r"([a-z0-9-]+/)?[a-z0-9-]+", name), f"{image} is not named as on Docker Hub"
        assert re.fullmatch(r"[A-Za-z0-9.-]+", image.licence), image
        assert image.use.endswith("."), image
        assert image.probe in {"wget", "curl", "ruby", "bash", "none"}, image
        assert image.uid > 0 or image.key == "python", image


def test_the_page_lists_every_image_with_its_licence() -> None:
    """docs/images.md must name each image's version and licence as they are."""
    page = (ROOT / "docs/images.md").read_text(encoding="utf-8")

    assert [image.key for image in catalog().values() if f"| `{image.key}` | `{image.image}` | {image.licence} |" not in page] == []


@pytest.mark.parametrize(
    ("key", "registry", "expected"),
    [
        ("python", "", "python:3.12-slim"),
        ("python", "mirror.example.org/hub/", "mirror.example.org/hub/library/python:3.12-slim"),
        ("elasticsearch", "127.0.0.1:5000", f"127.0.0.1:5000/library/{catalog()['elasticsearch'].image}"),
        ("grafana", "mirror.example.org", f"mirror.example.org/{catalog()['grafana'].image}"),
    ],
)
def test_a_mirror_is_asked_for_docker_hubs_own_paths(key: str, registry: str, expected: str) -> None:
    """A one-word name must get the "library/" that it stands for at Docker Hub, others only the mirror before them."""
    assert reference(key, overrides={}, registry=registry, minor="3.12") == expected


def test_an_override_is_used_as_it_is() -> None:
    """What [stack.images] names must not get the registry before it; Python's version is still filled in."""
    overrides = {"grafana": "our.example.org/grafana@sha256:" + "0" * 64, "python": "our.example.org/python:{minor}"}

    assert reference("grafana", overrides=overrides, registry="mirror.example.org") == overrides["grafana"]
    assert reference("python", overrides=overrides, registry="mirror.example.org", minor="3.13") == "our.example.org/python:3.13"


def test_an_unknown_key_is_named() -> None:
    """A key that no image has must be an error that lists those that there are."""
    check_overrides({"grafana": "x"})
    with pytest.raises(ConfigInvalid, match=r"(?s)promethus.*prometheus, python"):
        check_overrides({"promethus": "x"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docker.io/library/python:3.11-slim", "python:3.11-slim"),
        ("docker.io/grafana/grafana", "grafana/grafana:latest"),
        ("127.0.0.1:5000/x/y", "127.0.0.1:5000/x/y:latest"),
        ("mirror.example.org/library/python:3", "mirror.example.org/library/python:3"),
        ("grafana/grafana:11.6.4@sha256:ab", "grafana/grafana@sha256:ab"),
    ],
)
def test_names_are_compared_as_the_engine_lists_them(name: str, expected: str) -> None:
    """All ways to write a name must find the same image."""
    assert short_name(name) == expected


def test_a_built_image_counts_only_when_it_is_made_of_the_same() -> None:
    """An image of the right name that was built of something else must count as missing."""
    here = LocalImages({"a/b:v1": "sha256:1", "c:latest": "sha256:2"}, {"sha256:1": "sha256:old"})

    assert here.find("a/b:v1", "sha256:new") is None
    assert here.find("a/b:v1", "sha256:old") is not None
    assert here.find("c") is not None
    assert here.find("c", "sha256:any") is None
