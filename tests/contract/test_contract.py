"""What the two programs agree on: `mlsandbox_serving.contract`, and that both sides keep to it."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from mlsandbox_serving import contract
from mlsandbox_serving.contract import Env, ErrorCode, Field, Metric, NotReady, Port, all_metrics
from support.repository import ROOT, imports, syntax, tracked

CONTRACT = "services/mlsandbox_serving/contract.py"
METRIC_NAMES = "services/mlsandbox_serving/metric_names.py"
DRIFT_NAMES = "services/mlsandbox_serving/drift_names.py"
ENV_NAMES = "services/mlsandbox_serving/env_names.py"
FRONT_NAMES = "services/mlsandbox_serving/front_names.py"
PACKAGE_NAMES = "services/mlsandbox_serving/package_names.py"
MARKS = {"STACK_ID", "PROJECT_DIR", "SERVICE"}
"""Carried by processes so that they can be found; nobody needs to read them inside."""

WITHIN = {
    *("ARBITER_PID", "LOG_STORE_BYTES"),
    *("DRIFT_LEARN_ROWS", "DRIFT_CHECK_SECONDS", "DRIFT_MAX_PREDICTIONS", "DRIFT_MAX_AGE_SECONDS"),
}
"""Set by served code itself for its own children, or left at its default."""


def _values(namespace: type) -> list[str]:
    return [value for name, value in vars(namespace).items() if not name.startswith("_") and isinstance(value, str)]


def _attributes(owner: str, *patterns: str) -> set[str]:
    """Names used as `owner.NAME` in tracked files."""
    return {
        node.attr
        for name in tracked(*patterns)
        for node in ast.walk(syntax(name))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner
    }


def test_standard_library_only() -> None:
    """The contract must import nothing but the standard library, since both programs load it, whatever they have installed."""
    assert (imports(METRIC_NAMES) | imports(DRIFT_NAMES) | imports(ENV_NAMES) | imports(FRONT_NAMES) | imports(PACKAGE_NAMES)) - set(
        sys.stdlib_module_names
    ) == set()
    assert imports(CONTRACT) - set(sys.stdlib_module_names) == {"mlsandbox_serving"}
    assert re.findall(r"^from mlsandbox_serving\S* ", (ROOT / CONTRACT).read_text("utf-8"), re.MULTILINE) == [
        "from mlsandbox_serving.drift_names ",
        "from mlsandbox_serving.env_names ",
        "from mlsandbox_serving.front_names ",
        "from mlsandbox_serving.metric_names ",
        "from mlsandbox_serving.package_names ",
    ]


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_metric_names(metric: Metric) -> None:
    """A metric must be named as Prometheus names them: unit and `_total` at the end, a help text, and bounded labels."""
    bounded = {"model", "version", "route", "code", "class", "reason", "digest", "kind", "result", "sink"}
    bounded |= {"engine", "column", "source", "window", "metric", "rows", "challenger", "mode"}

    assert re.fullmatch(r"sandbox(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.help.endswith(".")
    assert set(metric.labels) <= bounded
    assert (metric.type == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_metric_is_shown_by_somebody() -> None:
    """A metric of the contract must be made somewhere in served code, or rules and dashboards wait for it in vain."""
    made = _attributes("Metrics", "services/mlsandbox_serving/*.py")

    assert {name for name, value in vars(contract.Metrics).items() if isinstance(value, Metric)} - made == set()


@pytest.mark.parametrize("metric", [metric for metric in all_metrics() if "duration" in metric.name], ids=lambda metric: metric.name)
def test_durations_are_seconds(metric: Metric) -> None:
    """A duration must be in seconds and say so."""
    assert metric.name.endswith("_seconds")


@pytest.mark.parametrize("namespace", [Env, ErrorCode, NotReady, Field], ids=lambda namespace: namespace.__name__)
def test_no_name_twice(namespace: type) -> None:
    """Two things must never have one name."""
    values = _values(namespace)

    assert len(values) == len(set(values))


def test_variables_are_ours() -> None:
    """Each environment variable of the contract must carry the project's prefix."""
    assert [value for value in _values(Env) if not value.startswith("SANDBOX_")] == []


def test_names_are_written_once() -> None:
    """A variable's name must stand in the contract alone; served code and the stack's components refer to it."""
    names = set(_values(Env))
    spelled = [
        f"{name}: {node.value}"
        for name in tracked("services/mlsandbox_serving/*.py", "cli/mlsandbox/stack/*.py", "cli/mlsandbox/render/*.py")
        if name not in {CONTRACT, ENV_NAMES}
        for node in ast.walk(syntax(name))
        if isinstance(node, ast.Constant) and node.value in names
    ]

    assert spelled == []


def test_what_is_set_is_read() -> None:
    """Each variable that a component sets must be read by served code, and each one read there must be set by someone."""
    given = _attributes("Env", "cli/mlsandbox/stack/components/*.py", "cli/mlsandbox/supervise/*.py", "cli/mlsandbox/render/*.py")
    read = _attributes("Env", "services/mlsandbox_serving/*.py")

    assert given - read - MARKS == set()
    assert read - given - WITHIN == set()


def test_ports_fit_their_block() -> None:
    """The ports of a project must fit into its block."""
    assert len(Port) <= contract.BLOCK_SIZE
    assert contract.FIRST_PORT + contract.BLOCK_SIZE < 65536
