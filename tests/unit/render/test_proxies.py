"""Which proxies containers are told of."""

from __future__ import annotations

import pytest

from mlsandbox.render.proxies import proxy_variables

PROXY = "http://proxy.example:3128"
DIRECT = "localhost,127.0.0.1,::1,api,log-store"


def test_from_environment() -> None:
    """The caller's proxies must be passed on, and the stack's own services reached without them."""
    environ = {"https_proxy": PROXY, "NO_PROXY": "example.org, localhost", "PATH": "/bin"}

    assert proxy_variables(environ, "", ["api", "log-store"]) == {
        "HTTPS_PROXY": PROXY,
        "NO_PROXY": "example.org,localhost,127.0.0.1,::1,api,log-store",
    }


def test_stated() -> None:
    """`[stack] proxy` must go before the environment's, for both kinds of URL."""
    found = proxy_variables({"HTTP_PROXY": "http://other.example"}, PROXY, ["api", "log-store"])

    assert found == {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": DIRECT}


@pytest.mark.parametrize(
    "url",
    [
        "http://user:password@proxy.example:3128",
        "http://token@proxy.example:3128",
        "user:password@proxy.example:3128",
        "http://localhost:3128",
        "http://127.0.0.1:3128",
        "127.0.0.1:3128",
        "http://[::1]:3128",
        "http://[broken",
        "",
    ],
)
def test_left_out(url: str) -> None:
    """A proxy with a user or a password, or on this machine's loopback, must not be passed on."""
    assert proxy_variables({"HTTP_PROXY": url, "NO_PROXY": "example.org"}, "", ["api"]) == {}


def test_none() -> None:
    """Without a proxy nothing must be set."""
    assert proxy_variables({}, "", ["api"]) == {}
