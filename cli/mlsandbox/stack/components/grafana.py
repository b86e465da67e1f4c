"""Grafana: the dashboards, with its data sources and an anonymous viewer set up.

Settings are environment variables alone: a container reads them from there anyhow, and what is installed on this machine brings a
configuration of its own that is not ours to read or change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from mlsandbox.stack import parts
from mlsandbox.stack.components import elasticsearch, prometheus
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
    Address,
    Asset,
    ConfigPath,
    DataFolder,
    Joined,
    ListenHost,
    ListenPort,
    Probe,
    ProgramEnvironment,
    Reach,
    Resources,
    Scrape,
    SecretFile,
    ServiceSpec,
    Value,
)
from mlsandbox_serving.contract import Env, Port

NAME: Final = "grafana"
PASSWORD: Final = SecretFile("grafana-admin")
DASHBOARDS: Final = ("sandbox-overview", "sandbox-drift", "sandbox-runtime", "sandbox-pipeline")
"""Their uids, and the names of their files; the first is the home page."""

_DATA: Final = DataFolder(NAME, "/var/lib/grafana")
_HOMES: Final = {
    ("darwin", "arm64"): "/opt/homebrew/opt/grafana/share/grafana",
    ("darwin", "x86_64"): "/usr/local/opt/grafana/share/grafana",
}
NATIVE_HOME: Final = _HOMES.get((sys.platform, os.uname().machine), "/usr/share/grafana")
"""Where Homebrew, and the packages of Linux, put what Grafana is made of: it has to be told."""

_FIXED: Final = {
    # A viewer needs no login; whoever wants to change something signs in as admin.
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_NAME": "Main Org.",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_USERS_VIEWERS_CAN_EDIT": "true",  # gives viewers Explore, which is where events are read; they can save nothing
    # Who comes by another name is sent to this one: a page whose name was made to resolve to loopback must not read events.
    "GF_SERVER_DOMAIN": "127.0.0.1",
    "GF_SERVER_ENFORCE_DOMAIN": "true",
    # Nobody who only looks can put copies of what is shown where they stay.
    "GF_SNAPSHOTS_ENABLED": "false",
    "GF_PUBLIC_DASHBOARDS_ENABLED": "false",
    # Nothing is told to, or fetched from, anyone.
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    # Prometheus's rules alert, and Alertmanager tells.
    "GF_UNIFIED_ALERTING_ENABLED": "false",
    "GF_LOG_MODE": "console",
}


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME, command="grafana"),
            args=(),
            native_args=(
                "server",
                "--homepath",
                NATIVE_HOME,
                "--config",
                "/dev/null",  # not this machine's, which only its own service may read
                Joined(("cfg:security.admin_password=$__file{", PASSWORD, "}")),  # …__FILE is the image's doing, not the program's
            ),
            env={
                **_FIXED,
                "GF_SERVER_HTTP_ADDR": ListenHost(),
                "GF_SERVER_HTTP_PORT": ListenPort(Port.GRAFANA),
                # All that it writes is below its data folder: the rest of its image stays read-only.
                "GF_PATHS_DATA": _DATA,
                "GF_PATHS_LOGS": Joined((_DATA, "/log")),
                "GF_PATHS_PLUGINS": Joined((_DATA, "/plugins")),
                "GF_PATHS_PROVISIONING": ConfigPath("provisioning"),
                "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": ConfigPath(f"dashboards/{DASHBOARDS[0]}.json"),
                "GF_SECURITY_ADMIN_PASSWORD__FILE": PASSWORD,
                "SANDBOX_DASHBOARDS_DIR": ConfigPath("dashboards"),
                **_sources(inputs),
            },
            files=_files(inputs),
            ports=(inputs.port(Port.GRAFANA, Reach.MACHINE),),
            metrics=Scrape(Port.GRAFANA),
            liveness=Probe(Port.GRAFANA, "/api/health", identified=False),
            readiness=Probe(Port.GRAFANA, "/api/health", identified=False),
            resources=Resources(memory_bytes=512 * 1024 * 1024),
        ),
    )


def _sources(inputs: StackInputs) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    if parts.PROMETHEUS in inputs.parts:
        found["SANDBOX_PROMETHEUS_URL"] = Joined(("http://", Address(prometheus.NAME, Port.PROMETHEUS)))
    if parts.ELASTICSEARCH in inputs.parts:
        found[Env.ELASTICSEARCH_URL] = elasticsearch.URL
    return found


def _files(inputs: StackInputs) -> Mapping[str, Asset]:
    sources = [part for part in (parts.PROMETHEUS, parts.ELASTICSEARCH) if part in inputs.parts]
    paths = (
        *(f"provisioning/datasources/{part}.yaml" for part in sources),
        "provisioning/dashboards/sandbox.yaml",
        "provisioning/plugins/none.yaml",
        "provisioning/alerting/none.yaml",
        *(f"dashboards/{uid}.json" for uid in DASHBOARDS),
    )
    return {path: Asset(f"grafana/{path}") for path in paths}


GRAFANA: Final = Component(NAME, lambda _models: (Port.GRAFANA,), _services)
