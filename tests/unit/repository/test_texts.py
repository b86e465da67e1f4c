"""What may not stand in any tracked file: package indexes, other hosts, paths of somebody's machine."""

from __future__ import annotations

import re

import pytest

from support.repository import TRACKED, read

INDEX = re.compile(
    r"py[p]i\.(org|io)|pythonh[o]sted|registry\.np[m]|deb\.deb[i]an|an[a]conda\.(org|com)|--(extra-)?ind[e]x-url[=\s]*https?://(?!example\.)",
    re.IGNORECASE,
)
MACHINE = re.compile(r"(?<![\w.])/(w[o]rk|ro[o]t|Us[e]rs)/|/opt/wh[e]els|/\.py[e]nv|/tmp/ba[s]h_")
ADDRESS = re.compile(r"[a-z]+://(?:[^/@\s]*@)?([\w.-]+\w)")
PUBLIC = {
    "127.0.0.1",
    "localhost",
    "www.elastic.co",  # the event fields' names
    "pip.pypa.io",  # pip's settings
    "docs.astral.sh",  # uv's settings
    "docs.docker.com",  # how it is installed
    "www.w3.org",  # trace context
    "www.apache.org",  # the licence
    "keepachangelog.com",
    "semver.org",
    "json-schema.org",
    "github.com",
    "prometheus.io",
    "grafana.com",
    "arrow.apache.org",  # the formats of bodies
    "flatbuffers.dev",
    "numpy.org",
    "spec.openapis.org",
    "www.iana.org",
    "yaml.org",
    "kubernetes.io",
    "kubectl.docs.kubernetes.io",
    "gateway-api.sigs.k8s.io",  # what a cluster lacks, and where to get it
    "external-secrets.io",
    "keda.sh",
    "prometheus-operator.dev",
}
"""Hosts that a text or a comment may point to; nothing in the code ever opens one unasked."""
RESERVED = (".example", ".invalid", ".test", "example.com", "example.org", ".svc")
"""The last is of every cluster: names of its own services."""
TEXTS = [name for name in TRACKED if read(name) is not None]


def _hits(pattern: re.Pattern[str], name: str) -> list[str]:
    lines = (read(name) or "").splitlines()
    return [f"{name}:{number}: {line.strip()[:120]}" for number, line in enumerate(lines, 1) if pattern.search(line)]


@pytest.mark.parametrize("pattern", [INDEX, MACHINE], ids=["package index", "machine path"])
def test_nothing_of_one_place(pattern: re.Pattern[str]) -> None:
    """No file may name a package index or a path that exists on one machine only."""
    assert [hit for name in TEXTS for hit in _hits(pattern, name)] == []


def test_known_hosts_only() -> None:
    """An address in a file must be local, reserved for examples, or one of the few sources that texts cite."""
    hosts = {(name, host) for name in TEXTS for host in ADDRESS.findall(read(name) or "")}

    assert sorted((name, host) for name, host in hosts if "." in host and host not in PUBLIC and not host.endswith(RESERVED)) == []
