"""What is said when an image cannot be pulled or built, and while it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.errors import ImageBuildFailed
from mlsandbox.packaging.containerfile import adapt, requirements
from mlsandbox.packaging.image_build import build_error, phase_of
from mlsandbox.packaging.image_pull import Transfer, pull_error, registry_of

PULLS = [
    (
        'Get "https://registry.example.org/v2/": dial tcp: lookup registry.example.org: no such host',
        "does not reach docker.io",
        "sandbox pull",
    ),
    ('Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused', "does not reach", "stack.registry"),
    ("manifest for x/y:2 not found: manifest unknown: manifest unknown", "has no such image", "[stack.images]"),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", "has no such image for this machine", "[stack.images]"),
    ('Head "http://r/v2/x/manifests/1": no basic auth credentials', "denies it", "docker login"),
    ("pull access denied for x/y, repository does not exist or may require 'docker login'", "denies it", "docker login"),
    ("toomanyrequests: You have reached your pull rate limit.", "no more pulls", "docker login"),
    (
        'Get "https://registry.example.org/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
        "does not trust",
        "certs.d",
    ),
    ("failed to register layer: write /usr/lib/x: no space left on device", "disk", "docker system df"),
]


@pytest.mark.parametrize(("said", "why", "fix"), PULLS)
def test_a_pull_that_fails_says_which_of_many_things_it_was(said: str, why: str, fix: str) -> None:
    """Each way to fail must have its own cause and its own next step, with the engine's words."""
    error = pull_error("x/y:2", said)

    assert why in error.why
    assert said in error.why
    assert fix in error.fix
    assert error.details == {"image": "x/y:2"}


def test_the_registry_is_named() -> None:
    """A name must tell the host that was asked."""
    names = {"grafana/grafana:1": "docker.io", "python:3": "docker.io", "localhost/a": "localhost", "r.example.org/a/b:1": "r.example.org"}

    assert {name: registry_of(name) for name in names} == names


def test_progress_adds_the_layers_of_all_images() -> None:
    """Bytes that are here and bytes that are known of must be summed; a layer that is there already does not count."""
    transfer = Transfer()
    transfer.note("a", {"id": "1", "status": "Downloading", "progressDetail": {"current": 10, "total": 100}})
    transfer.note("a", {"id": "2", "status": "Already exists", "progressDetail": {}})
    transfer.note("b", {"id": "1", "status": "Downloading", "progressDetail": {"current": 5, "total": 50}})
    transfer.note("b", {"id": "1", "status": "Download complete", "progressDetail": {}})
    transfer.note("b", {"status": "Digest: sha256:0"})

    assert transfer.of() == (60, 150)
    assert transfer.of(["a"]) == (10, 100)


def test_only_what_takes_long_is_told() -> None:
    """The installation must be told, quick steps and the builder's own words not."""
    assert phase_of("#15 [base-container  9/12] RUN … uv pip install -r env/python/requirements.txt") == "installing packages"
    assert phase_of("#16 [base-container 10/12] COPY . ./") == ""
    assert phase_of("#15 18.67  + yarl==1.25.1") == ""


BUILDS = [
    ("#9 0.3 error: No interpreter found for Python 3.12 in search path", "[stack.images] python"),
    ("unknown flag: --build-context", "buildx"),
    ("#9 2.0   error sending request for url (https://u:p@index.example.org/simple/x/)", "stack.proxy"),
    ("#9 2.0 error: Hash mismatch for `x==1.0`", "extra-index-url"),
]


@pytest.mark.parametrize(("said", "fix"), BUILDS)
def test_a_build_that_fails_shows_what_the_failing_command_wrote(said: str, fix: str) -> None:
    """The last words of the command, without passwords, the next step and the log must be there."""
    error = build_error(f"#1 [internal] load\n#9 [2/3] RUN x\n{said}\n", "churn v1", "mlsandbox/demo/churn:v1", Path("/p/image.log"))

    assert said.rpartition("#9 ")[2].split(maxsplit=1)[-1].split("//")[0].strip() in error.why
    assert "u:p@" not in error.why
    assert fix in error.fix
    assert "/p/image.log" in error.fix
    assert len(error.why.splitlines()) <= 6


def test_instructions_of_another_bentoml_are_refused() -> None:
    """A line that is to be changed and is not there must be named, instead of building something else."""
    with pytest.raises(ImageBuildFailed, match="the base image is there 0 times"):
        adapt("# syntax = docker/dockerfile:1.2.1\nFROM python:3.11-slim\n", base="python:3.11-slim", authorities=False)


def test_models_with_the_same_packages_share_their_layer() -> None:
    """What differs between two locks of the same packages, comments, must not be in the requirements of the image."""
    locks = [f"# mlsandbox lock: model={name} …\n\na==1.0 \\\n    --hash=sha256:00\n# moved: a 0 -> 1\n" for name in ("one", "two")]

    assert {requirements(lock) for lock in locks} == {"a==1.0 \\\n    --hash=sha256:00\n"}
