"""What a front's name means on the command line: the versions behind it, whichever they are."""

from __future__ import annotations

import pytest

from support.sandbox import Sandbox, post

ROW = {"age": 40.0, "children": 2, "plan": "pro", "postcode": "00017"}


def test_a_front_can_be_stopped_and_comes_back(saved: Sandbox) -> None:
    """`down api` must stop the versions behind it and refuse connections; `logs api` show what they wrote; `up` bring all back there."""
    saved.run("up").ok()
    url = saved.url
    assert saved.status()["versions"] == [
        {
            "model": "churn",
            "version": "v1",
            "role": "champion",
            "service": "api-v1",
            "state": "healthy",
            "percent": None,
            "shadow": False,
            "tried": None,
        }
    ]

    assert "api-v1" in saved.run("down", "api").ok().out
    stopped = saved.run("status", "-o", "json")
    assert (stopped.code, stopped.json["state"], stopped.json["endpoints"], stopped.json["versions"]) == (3, "degraded", {}, [])
    assert "attention: api is stopped; start it: sandbox up" in saved.run("status").out
    with pytest.raises(OSError, match="refused"):
        post(f"{url}/predict", ROW)
    assert {line["service"] for line in saved.run("logs", "api", "-o", "json").ok().json["lines"]} == {"api-v1"}

    saved.run("up").ok()
    assert saved.url == url
    status, _, headers = post(f"{url}/predict", ROW)
    assert (status, {name.lower(): value for name, value in headers.items()}["x-model-version"]) == (200, "v1")
