"""Values of options that no cluster would take, or that would end where everybody reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.export_checks import (
    checked_class,
    checked_domain,
    checked_gateway,
    checked_image,
    checked_namespace,
    checked_release,
    checked_url,
)
from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.errors import UsageError
from mlsandbox.project import read_project
from support.exported import image, inputs

DIGEST = f"sha256:{'a' * 64}"


def of_churn(text: str) -> str:
    """As `--image` has it."""
    return checked_image("churn", text)


def beside(name: str) -> str:
    """A namespace beside that of the usual Gateway."""
    return checked_namespace(name, "gateway")


TAKEN: dict[Callable[[str], str], tuple[str, ...]] = {
    of_churn: (
        "churn",
        "a.b/churn:v1",
        f"localhost/churn@{DIGEST}",
        f"Host.example.com:5000/t/churn:v1@{DIGEST}",
        "host:80/churn",
        "a__b/c-d",
    ),
    beside: ("shop", "default-risk", "kubernetes", "monitoring-of-shop", "s" * 55),
    checked_gateway: ("infra/public", "infra/public.example.com"),
    checked_domain: ("example.com", "ml", "1.example"),
    checked_class: ("nginx", "nginx.internal", "a1"),
    checked_release: ("kube-prometheus-stack", "A_b.c", "1"),
    checked_url: ("http://prometheus:9090", "https://metrics.example.com/prometheus/", "http://[::1]:9090", "http://127.0.0.1"),
}
REFUSED: dict[Callable[[str], str], tuple[str, ...]] = {
    of_churn: (
        *("Churn", "Team/churn", "a.b/Churn", "churn:-v1", f"churn:{'v' * 129}", "churn:ü", "churn@sha256:abc", f"churn@{DIGEST}0"),
        *(
            "/churn",
            "a.b//churn",
            "churn/",
            "https://registry.example/churn",
            "host:port/churn",
            "churn:v1:v2",
            "a___b",
            f"churn@{DIGEST.upper()}",
            "a b",
        ),
    ),
    beside: ("default", "kube-system", "kube-public", "kube-node-lease", "monitoring", "ingress-nginx", "gateway", "Shop", "s" * 56, ""),
    checked_gateway: (
        "public",
        "/public",
        "infra/",
        "infra/a/b",
        "in.fra/public",
        "-infra/public",
        "infra/..",
        "Infra/public",
        "infra/public\n",
    ),
    checked_domain: (
        "",
        "Example.com",
        "*.example.com",
        "a..b",
        ".a",
        "a.",
        "a_b",
        "https://a.example",
        "a.b:80",
        "a.b/c",
        "a b",
        "a" * 64,
        "a.b\n",
    ),
    checked_class: ("", "Nginx", "nginx/x", "-nginx", "a b", "a: b"),
    checked_release: ("", "-a", "a-", "a b", "a" * 64, "a/b", "ä"),
    checked_url: (
        *("", "prometheus:9090", "ftp://prometheus", "file:///etc/passwd", "http://", "http://:9090", "http://a:port", "http://a:99999"),
        *("http://a b", "http://a\n", " http://a", "http://a?x=1", "http://a#b", 'http://a"', "http://[::1", "javascript:alert(1)"),
    ),
}


@pytest.mark.parametrize("check", TAKEN, ids=lambda check: check.__name__)
def test_taken(check: Callable[[str], str]) -> None:
    """What a cluster takes must be taken, and stay as it is."""
    assert [check(each) for each in TAKEN[check]] == list(TAKEN[check])


@pytest.mark.parametrize("check", REFUSED, ids=lambda check: check.__name__)
def test_refused(check: Callable[[str], str]) -> None:
    """What no cluster takes must be refused, with why and a command that would do."""
    for each in REFUSED[check]:
        with pytest.raises(UsageError) as error:
            check(each)

        assert "sandbox export k8s --" in error.value.fix, each
        assert error.value.why, each


@pytest.mark.parametrize(
    "url", ["http://user:s3cret@a:9090", "https://s3cret@a", "user:s3cret@a:9090", "http://u:s3cret/x@a", "ftp://u:s3cret@a"]
)
def test_a_password_is_refused_and_never_said(url: str) -> None:
    """A password in an address must be refused, and stand in no text of the error."""
    with pytest.raises(UsageError) as error:
        checked_url(url)

    assert "s3cret" not in f"{error.value} {error.value.what} {error.value.why} {error.value.fix} {error.value.details}"


def test_a_password_has_other_places() -> None:
    """The error must say where a password belongs."""
    with pytest.raises(UsageError) as error:
        checked_url("http://user:pass@a:9090")

    assert "TriggerAuthentication" in error.value.fix
    assert "secureJsonData" in error.value.fix


@pytest.mark.parametrize("name", ["default", "kube-system", "monitoring", "gateway"])
def test_a_project_of_such_a_name(name: str) -> None:
    """A project that is called as a namespace of others must need a namespace of its own."""
    project = read_project(Path("/nowhere"), f'name = "{name}"\n[models.churn]\npath = "churn.joblib"\n', environ={})
    options = ExportOptions(images=(image("churn"),))
    with pytest.raises(UsageError, match=f"the namespace {name} is not") as error:
        export_inputs(project, options)

    assert "--namespace NAME" in error.value.fix


def test_overlays_count_too() -> None:
    """A namespace of an overlay must be nobody else's either."""
    with pytest.raises(UsageError, match="the namespace shop-dev is not"):
        checked_namespace("shop", "shop-dev")


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "A"},
        {"ingress_class": "A"},
        {"gateway": "A/a"},
        {"prometheus_release": "-"},
        {"prometheus_url": "http://u:p@a"},
        {"namespace": "kube-system"},
        {"images": ("Churn",), "allow_tags": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_option_is_checked(changes: dict[str, Any]) -> None:
    """An export must check each of them."""
    with pytest.raises(UsageError):
        inputs("one-model", **changes)
