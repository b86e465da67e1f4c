"""How Grafana is set up: what it is provisioned with, and its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.actions import project_stack
from mlsandbox.stack import parts
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.spec import Address, Asset, Joined, ServiceSpec
from support.repository import ROOT

PROVISIONING = ROOT / "grafana" / "provisioning"


def _grafana(chosen: frozenset[str]) -> ServiceSpec:
    model = ModelInputs("churn", "v1", "churn:v1", Path("/lock"), "sha256:1", "3.11")
    ports = {name: 7310 + index for index, name in enumerate(port_names(["churn"], chosen))}
    return build_stack(StackInputs("demo", "127.0.0.1", (model,), ports, chosen)).service("grafana")


FULL = _grafana(chosen_parts("docker", "full", exclude=(), programs=()))


def _yaml(path: str) -> Any:
    return yaml.safe_load((PROVISIONING / path).read_text(encoding="utf-8"))


def test_every_file_is_handed_over() -> None:
    """A full stack must hand over every file of grafana/ but its README, each from the place where it is edited."""
    here = {path.relative_to(ROOT / "grafana").as_posix() for path in (ROOT / "grafana").rglob("*") if path.is_file()}

    assert set(FULL.files) == here - {"README.md"}
    assert all(value == Asset(f"grafana/{name}") for name, value in FULL.files.items())


def test_data_sources_have_fixed_uids() -> None:
    """Dashboards and links find the data sources by uid; nobody changes them in Grafana."""
    (prometheus,) = _yaml("datasources/prometheus.yaml")["datasources"]
    (elasticsearch,) = _yaml("datasources/elasticsearch.yaml")["datasources"]

    assert (prometheus["uid"], prometheus["isDefault"], prometheus["editable"]) == ("sandbox-prometheus", True, False)
    assert (elasticsearch["uid"], elasticsearch.get("isDefault", False), elasticsearch["editable"]) == (
        "sandbox-elasticsearch",
        False,
        False,
    )
    assert (elasticsearch["jsonData"]["index"], elasticsearch["jsonData"]["timeField"]) == ("sandbox-events-*", "@timestamp")


def test_the_interval_is_that_of_prometheus() -> None:
    """Grafana makes $__rate_interval from what it is told: another interval than Prometheus's gives gaps."""
    (prometheus,) = _yaml("datasources/prometheus.yaml")["datasources"]
    scraping = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))

    assert prometheus["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]


def test_dashboards_come_from_files_alone() -> None:
    """The provider must keep the dashboards as the files say, in one folder."""
    (provider,) = _yaml("dashboards/sandbox.yaml")["providers"]

    assert (provider["folder"], provider["allowUiUpdates"], provider["disableDeletion"]) == ("Sandbox", False, True)
    assert provider["options"]["path"] == "${SANDBOX_DASHBOARDS_DIR}"


def test_addresses_come_from_the_environment() -> None:
    """What a file interpolates must be set, and be where the stack has it."""
    urls = {source["url"] for part in ("prometheus", "elasticsearch") for source in _yaml(f"datasources/{part}.yaml")["datasources"]}

    assert urls == {"${SANDBOX_PROMETHEUS_URL}", "${SANDBOX_ELASTICSEARCH_URL}"}
    assert FULL.env["SANDBOX_PROMETHEUS_URL"] == Joined(("http://", Address("prometheus", "prometheus")))
    assert FULL.env["SANDBOX_ELASTICSEARCH_URL"] == "http://elasticsearch:9200"


@pytest.mark.parametrize(
    ("profile", "exclude", "sources"),
    [("full", (), {"prometheus", "elasticsearch"}), ("lite", (), {"prometheus"}), ("lite", (parts.PROMETHEUS,), set())],
)
def test_only_what_the_stack_has_is_a_data_source(profile: str, exclude: tuple[str, ...], sources: set[str]) -> None:
    """A data source that nobody answers for is only a source of errors."""
    grafana = _grafana(chosen_parts("docker", profile, exclude=exclude, programs=()))

    assert {name for name in grafana.files if name.startswith("provisioning/datasources/")} == {
        f"provisioning/datasources/{part}.yaml" for part in sources
    }
    assert {name for name in grafana.env if name.endswith("_URL")} == {f"SANDBOX_{part.upper()}_URL" for part in sources}


def test_it_starts_at_once() -> None:
    """Grafana must wait for nothing: it shows what is there as it comes."""
    assert FULL.needs == {}


def test_a_viewer_needs_no_login_and_the_admin_a_password() -> None:
    """Whoever opens it looks; the admin's password is a generated file, nowhere in the settings."""
    assert (FULL.env["GF_AUTH_ANONYMOUS_ENABLED"], FULL.env["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    assert "GF_SECURITY_ADMIN_PASSWORD" not in FULL.env
    assert "GF_SECURITY_ADMIN_PASSWORD__FILE" in FULL.env


def test_it_answers_to_one_name_and_keeps_no_copies() -> None:
    """Another name that resolves to loopback must not be answered, and nobody may share or keep what is shown."""
    assert (FULL.env["GF_SERVER_DOMAIN"], FULL.env["GF_SERVER_ENFORCE_DOMAIN"]) == ("127.0.0.1", "true")
    assert {FULL.env[f"GF_{name}_ENABLED"] for name in ("SNAPSHOTS", "SNAPSHOTS_EXTERNAL", "PUBLIC_DASHBOARDS")} == {"false"}


def test_nothing_is_told_to_anyone() -> None:
    """No analytics, no look for updates, no plugin is fetched."""
    off = ("ANALYTICS_REPORTING_ENABLED", "ANALYTICS_CHECK_FOR_UPDATES", "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "NEWS_NEWS_FEED_ENABLED")

    assert {FULL.env[f"GF_{name}"] for name in off} == {"false"}
    assert FULL.env["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert "GF_INSTALL_PLUGINS" not in FULL.env


def test_a_grafana_without_its_files_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program on PATH that could not find what it is made of would keep the whole stack from becoming ready."""
    program = tmp_path / "grafana"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(project_stack, "NATIVE_HOME", str(tmp_path))

    assert project_stack.programs_on_path() == {}

    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()

    assert project_stack.programs_on_path() == {"grafana": program}
