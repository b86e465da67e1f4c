"""Why an image could not be pushed."""

from __future__ import annotations

import pytest

from mlsandbox.actions.export_images import checked
from mlsandbox.errors import UsageError
from mlsandbox.packaging.image_push import push_error

NAME = "registry.example.com/team/churn:v3"


@pytest.mark.parametrize(
    ("said", "why", "fix"),
    [
        ("no basic auth credentials", "wants a login", "docker login registry.example.com"),
        ("denied: requested access to the resource is denied", "wants a login", "docker login registry.example.com"),
        ("unauthorized: authentication required", "wants a login", "docker login registry.example.com"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "does not reach", "sandbox export k8s --to-registry "),
        ("dial tcp: lookup registry.example.com: no such host", "does not reach", "sandbox export k8s --to-registry "),
        ("x509: certificate signed by unknown authority", "does not trust", "/etc/docker/certs.d/registry.example.com/ca.crt"),
        ("blob upload invalid", "refused it", "docker push registry.example.com/team/churn:v3"),
    ],
)
def test_each_refusal_has_its_next_step(said: str, why: str, fix: str) -> None:
    """A login that is missing, a registry that is not there and one that is not trusted must be told apart."""
    error = push_error(NAME, said)

    assert NAME in error.what
    assert why in error.why
    assert said in error.why
    assert fix in error.fix


@pytest.mark.parametrize("name", ["registry.example.com/team", "127.0.0.1:5000", "localhost/a", "[::1]:5000/a_b/c-d", "host.example/a/"])
def test_registries(name: str) -> None:
    """A host with or without port and folder must be taken, without a slash at its end."""
    assert checked(name) == name.rstrip("/")


@pytest.mark.parametrize(
    "name", ["", "team", "team/churn", "https://registry.example.com", "registry.example.com/Team", "a.b/c:v1", "a.b/c d"]
)
def test_what_is_no_registry(name: str) -> None:
    """What is no host with a folder must be refused before anything is built."""
    with pytest.raises(UsageError):
        checked(name)
