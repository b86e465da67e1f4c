"""`sandbox help components`, and who points to it."""

from __future__ import annotations

import re

from mlsandbox.cli import topics
from mlsandbox.cli.app import root
from mlsandbox.cli.component_page import component_page
from mlsandbox.render.kubernetes.components import COMPONENTS


def test_every_component() -> None:
    """The page must have each component in its order, what it is, and what it needs, in words that fit every project."""
    page = component_page()
    parts = dict(re.findall(r"(?m)^  (\S+)\n((?: {6}.*\n?)+)", page))

    assert list(parts) == [each.name for each in COMPONENTS]
    assert all(parts.values())
    assert "Needs --image drift=REF." in parts["drift"]
    assert "Needs --image fluentd=REF, --image log-store=REF." in parts["logging"]
    assert "Needs logging." in parts["elasticsearch"]
    assert "Needs servicemonitor." in parts["prometheusrule"]
    assert "Needs --image MODEL/package=REF, Kubernetes 1.35." in parts["model-oci"]
    assert "In place of model-pvc." in parts["model-oci"]
    assert "model." not in parts["challenger"]
    assert max(map(len, page.splitlines())) <= 120


def test_help_leads_there() -> None:
    """`sandbox help` must know the page, and `sandbox export --help` must point to it."""
    group = root()
    context = group.make_context("sandbox", [], resilient_parsing=True)
    export = group.get_command(context, "export")

    assert topics.topics()["components"]() == component_page()
    assert export is not None
    text = export.get_help(export.make_context("export", [], parent=context, resilient_parsing=True))
    assert "sandbox help components" in " ".join(str(text).split())
