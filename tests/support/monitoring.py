"""Stacks whose model is a stand-in that only shows metrics, beside the real shipper, log store, Prometheus and Alertmanager."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mlsandbox.engines.base import Desired
from mlsandbox.stack import parts
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, direct_ports, port_names
from mlsandbox.stack.spec import ServiceEnvironment
from mlsandbox_serving.contract import FIRST_PORT
from support.toys import free_ports

STAND_IN = Path(__file__).with_name("metric_service.py")
MODEL = "wine"
PARTS = frozenset({parts.MODEL, parts.SHIPPER, parts.LOG_STORE, parts.PROMETHEUS, parts.ALERTMANAGER})
_STAND_IN_ENVIRONMENT = ServiceEnvironment("stand-in")


def program(request: pytest.FixtureRequest, *names: str) -> Path:
    """The first of these programs that is installed; without any the test is skipped, in full runs failed."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and request.config.getoption("--require-docker", default=False):
        pytest.fail(f"{names[0]} is not installed, and this run must not leave tests out")
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return Path(found)


def inputs(*models: ModelInputs, chosen: frozenset[str] = PARTS, numbers: Iterable[int] | None = None, fronts: bool = True) -> StackInputs:
    """What a stack with these models (one by default) is built from, at ports of these numbers; exported ones have no fronts."""
    models = models or (model(),)
    versions = {each.name: [version.version for version in each.versions] for each in models}
    names = (*port_names(list(versions), chosen), *(direct_ports(versions) if fronts else ()))
    ports = dict(zip(names, itertools.count(FIRST_PORT) if numbers is None else numbers, strict=False))
    return StackInputs("monitoring", "127.0.0.1", models, ports, chosen, fronts=fronts)


def model(name: str = MODEL, **settings: Any) -> ModelInputs:
    """A packaged model; `settings` are those of ModelInputs."""
    return ModelInputs(name, "v1", f"{name}:v1", Path("lock.txt"), "digest", "3.11", **settings)


def monitored(folder: Path, programs: Mapping[str, Path], chosen: frozenset[str] = PARTS) -> Desired:
    """The whole stack as child processes of this machine; the model is metric_service.py."""
    given = inputs(chosen=chosen, numbers=free_ports(20))
    spec = build_stack(given)
    package = folder / "package"
    (package / "src").mkdir(parents=True)
    services = tuple(
        replace(each, environment=_STAND_IN_ENVIRONMENT, args=(str(STAND_IN), str(given.ports["direct-api-v1"])), package=None)
        if each.name == "api-v1"
        else each
        for each in spec.services
    )
    python = Path(sys.executable)
    environments = {each.environment: python for each in services if each.name not in parts.NATIVE}
    return Desired(replace(spec, services=services), environments, {f"{MODEL}:v1": package}, programs)


def ask(port: int, path: str, **query: str) -> Any:
    """The JSON answer of a service of this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{urlencode(query)}", timeout=30) as answer:
        return json.load(answer)
