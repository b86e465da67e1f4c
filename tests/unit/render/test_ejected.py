"""Parts of a stack in folders of their own: what is in them, and that nothing in them belongs to this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.actions.eject import PARTS, write_part
from mlsandbox.actions.export_compose import ejected_image_keys
from mlsandbox.actions.export_ejected import EjectOptions
from mlsandbox.actions.export_tree import plan_tree
from mlsandbox.errors import ImageMissing
from mlsandbox.project import Project, load_project
from mlsandbox.stack.components.grafana import DASHBOARDS
from mlsandbox.stack.components.prometheus import RULES
from mlsandbox.state import State, save_state
from support.golden import assert_tree
from support.rendered import CASES, GOLDEN

REPOSITORY = Path(__file__).parents[3]
ASSETS = {
    path.read_bytes(): path.relative_to(REPOSITORY).as_posix()
    for folder in ("prometheus", "grafana", "fluentd", "compose/elasticsearch")
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.is_file()
}
VERSION = re.compile(r"(?<=Written by mlsandbox )[^:]+")
CONTENT = re.compile(r"(?<=mlsandbox/services/)([a-z-]+):[0-9a-f]{12}")


def _project(case: str = "one-model", **environ: str) -> Project:
    return load_project(GOLDEN / case, environ={"SANDBOX_ENGINE": "docker", **environ})


def _options(project: Project, **more: Any) -> EjectOptions:
    models = project.models
    return EjectOptions({name: f"registry.example.com/{name}:v2" for name in models}, dict.fromkeys(models, "v2"), **more)


def _files(name: str, project: Project | None = None, options: EjectOptions | None = None) -> Mapping[str, str]:
    project = project or _project()
    return {file.path: file.text for file in PARTS[name](project, options or _options(project)).files}


def _compose(name: str, project: Project | None = None, options: EjectOptions | None = None) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(_files(name, project, options)["compose.yaml"])
    return document


def _copied(folder: Path, state: State | None = None) -> Project:
    """A project of a test's own, which may remember a stack."""
    (folder / "sandbox.toml").write_text((GOLDEN / "one-model/sandbox.toml").read_text())
    if state is not None:
        save_state(folder / ".sandbox", state)
    return load_project(folder, environ={"SANDBOX_ENGINE": "docker"})


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("case", CASES)
def test_tree(case: str, name: str, *, update_golden: bool) -> None:
    """What is ejected must be the tree that was committed, no file more and none less; twice it must be the same."""
    project = _project(case)
    part = PARTS[name](project, _options(project))
    files = {file.path: f"({ASSETS[file.data]} as it is)\n" if file.data in ASSETS else file.text for file in part.files}
    told = {path: CONTENT.sub(r"\1:CONTENT", VERSION.sub("VERSION", text)) for path, text in files.items()}

    assert_tree(GOLDEN / case / f"expected/ejected-{name}", told, update=update_golden)
    assert PARTS[name](project, _options(project)) == part


@pytest.mark.parametrize(("name", "below"), [("compose", "config/prometheus/"), ("prometheus", "")])
def test_rules(name: str, below: str) -> None:
    """The rules must be the sandbox's, byte for byte."""
    files = _files(name)

    for rule in RULES:
        assert files[f"{below}rules/{rule}.yml"] == (REPOSITORY / f"prometheus/rules/{rule}.yml").read_text("utf-8")
    assert files[f"{below}prometheus.yml"] == (REPOSITORY / "prometheus/prometheus.yml").read_text("utf-8")


@pytest.mark.parametrize(("name", "below"), [("compose", "config/grafana/"), ("grafana", "")])
def test_dashboards(name: str, below: str) -> None:
    """The dashboards must be the sandbox's, byte for byte."""
    files = _files(name)

    for uid in DASHBOARDS:
        assert files[f"{below}dashboards/{uid}.json"] == (REPOSITORY / f"grafana/dashboards/{uid}.json").read_text("utf-8")


@pytest.mark.parametrize("name", PARTS)
def test_nothing_of_this_machine(name: str, tmp_path: Path) -> None:
    """No path of this machine may be in it, nor anything by which `sandbox` or Compose would take it for the stack."""
    project = _copied(tmp_path)
    files = _files(name, project)

    assert not [path for path, text in files.items() if str(tmp_path) in text]
    assert "org.mlsandbox." not in files["compose.yaml"]
    assert "SANDBOX_STACK_ID" not in files["compose.yaml"]
    document = _compose(name, project)
    assert document["name"] not in {project.name, None}
    mounts = [mount for service in document["services"].values() for mount in service.get("volumes", ()) if mount["type"] == "bind"]
    assert mounts
    for mount in mounts:
        source = mount["source"]
        assert source.startswith("./")
        assert [path for path in files if path == source[2:] or path.startswith(f"{source[2:]}/")], source
    assert {each["file"] for each in document.get("secrets", {}).values()} <= {"./secrets/grafana-admin"}


@pytest.mark.parametrize("name", PARTS)
def test_variables(name: str) -> None:
    """Whatever can be chosen must be listed in .env.example as it is, and no other dollar may be Compose's."""
    files = _files(name)
    used = {(found[1], found[2]) for found in re.finditer(r"(?<!\$)\$\{([A-Z_]+):-([^}]*)\}", files["compose.yaml"])}
    listed = {tuple(line.split("=", 1)) for line in files[".env.example"].splitlines() if line and not line.startswith("#")}

    assert used
    assert used == listed
    rest = re.sub(r"\$\{[A-Z_]+:-[^}]*\}", "", files["compose.yaml"].replace("$$", ""))
    assert "$" not in rest


def test_published_ports() -> None:
    """Each published port must be one to be chosen, and what links to it must follow; none may be open to others without keys."""
    services = _compose("compose")["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert set(published) == {"api", "drift", "grafana", "prometheus", "alertmanager"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    assert published["api"] == [{"host_ip": "127.0.0.1", "published": "${SANDBOX_API_PORT:-7310}", "target": 7310}]
    command = services["prometheus"]["command"]
    assert "--web.external-url=http://127.0.0.1:${SANDBOX_PROMETHEUS_PORT:-7313}" in command
    assert "--web.listen-address=0.0.0.0:7313" in command


def test_host_may_be_chosen_with_keys() -> None:
    """A stack that asks for keys must let its address be chosen; README.md must say how to send one, and never what one is."""
    files = _files("compose", _project(SANDBOX_STACK_API_KEYS="true"))
    services = yaml.safe_load(files["compose.yaml"])["services"]

    assert services["api"]["ports"][0]["host_ip"] == "${SANDBOX_HOST:-127.0.0.1}"
    assert services["prometheus"]["ports"][0]["host_ip"] == "127.0.0.1"
    assert services["api"]["secrets"] == ["api-keys"]
    assert "authorization: Bearer $(" in files["README.md"]
    assert "openssl rand -hex 32" in files["secrets/README.md"]


def test_running_it_in_order() -> None:
    """README.md must say how images that no registry has are made, before secrets, before it is run, and not that they were made."""
    text = _files("compose", _project("two-models"))["README.md"]
    run = text.partition("## Run it")[2].partition("\n## ")[0]
    places = [run.find(each) for each in ("sandbox pull --engine docker\n", "mlsandbox/", "openssl rand", "docker compose up -d --wait")]

    assert -1 not in places
    assert places == sorted(places)
    assert "were built here" not in text


def test_the_images_that_are_made_are_those_that_are_named() -> None:
    """Where alibi-detect is left out of the export it must be left out of the command that makes the images, else in neither."""
    usual = _project("two-models")
    named = {accepted: _files("compose", usual, _options(usual, alibi_accepted=accepted))["README.md"] for accepted in (False, True)}

    assert "\nSANDBOX_DRIFT_ENGINES=native sandbox pull --engine docker\n" in named[False]
    assert "mlsandbox/services/drift:" in named[False]
    assert "\nsandbox pull --engine docker\n" in named[True]
    assert "mlsandbox/services/drift-alibi:" in named[True]


def test_secrets_are_made_by_commands() -> None:
    """No file may hold a secret: each must have a command that makes it, and be kept out of git."""
    files = _files("compose", _project("two-models"))

    assert "secrets/hash-key" not in files
    for name in ("hash-key", "grafana-admin"):
        assert f"openssl rand -hex 32 > secrets/{name}\n" in files["README.md"]
    assert files["secrets/.gitignore"].splitlines()[1:] == ["*", "!.gitignore", "!README.md"]
    assert not [text for text in files.values() if re.search(r"\b[0-9a-f]{64}\b", text)]


def test_what_runs_once_is_waited_for() -> None:
    """`docker compose up --wait` takes what ends for a failure, unless something waits for its end; no model may do so."""
    services = _compose("compose")["services"]
    waiting = {
        name
        for name, service in services.items()
        if service.get("depends_on", {}).get("elasticsearch-setup") == {"condition": "service_completed_successfully"}
    }

    assert waiting == {"elasticsearch-exporter"}


def test_only_images_of_ours_are_never_pulled() -> None:
    """An image that is built here must never be looked up at a registry; all others must be fetched where they are missing."""
    for service in _compose("compose")["services"].values():
        assert service.get("pull_policy") == ("never" if service["image"].startswith("mlsandbox/") else None)
        assert "latest" not in service["image"]


def test_named_images() -> None:
    """An image that was named must be used as it is, for whatever it was named."""
    project = _project()
    named = {key: f"registry.example.com/{key}:1" for key in ejected_image_keys(project)}
    services = _compose("compose", project, EjectOptions(named, {"churn": "v1"}))["services"]

    used = {service["image"] for service in services.values()}
    assert used == {image for key, image in named.items() if key != "drift-alibi"}
    assert services["api"]["image"] == services["shipper"]["image"] == "registry.example.com/churn:1"


def test_models_of_several_images() -> None:
    """Each model must have its own image."""
    services = _compose("compose", _project("two-models"))["services"]

    assert services["api"]["image"] == "registry.example.com/churn:v2"
    assert services["api-fraud"]["image"] == services["shipper-fraud"]["image"] == "registry.example.com/fraud:v2"


@pytest.mark.parametrize("options", [EjectOptions(), EjectOptions({"churn": "registry.example.com/churn:latest"})])
def test_nothing_known_of_a_model(options: EjectOptions) -> None:
    """Without a package, an image and its version must be asked for, with words that help."""
    with pytest.raises(ImageMissing, match=r"churn") as caught:
        PARTS["compose"](_project(), options)

    assert "sandbox export compose --image churn=" in caught.value.fix


@pytest.mark.parametrize("name", ["grafana", "prometheus"])
def test_programs_need_no_image_of_a_model(name: str) -> None:
    """Dashboards and rules must be had of a project that was never packaged."""
    assert "compose.yaml" in _files(name, options=EjectOptions())


def test_licence() -> None:
    """alibi-detect must be left out, and that be said, unless its licence was accepted."""
    project = _project()
    without = PARTS["compose"](project, _options(project))
    accepted = PARTS["compose"](project, replace(_options(project), alibi_accepted=True))

    assert "alibi" not in without.files[0].text
    assert any("alibi" in note for note in without.notes)
    assert "mlsandbox/services/drift-alibi" in accepted.files[0].text
    assert "--accept-license=alibi-detect=BSL-1.1" in accepted.files[0].text.partition("\n")[0]


def test_lite() -> None:
    """A lite stack must be ejected as one, and need nothing that runs once."""
    services = _compose("compose", _project(SANDBOX_PROFILE="lite"))["services"]

    assert set(services) == {"log-store", "drift", "shipper", "api", "alertmanager", "grafana", "prometheus"}
    assert services["shipper"]["depends_on"] == {"log-store": {"condition": "service_started"}}


def test_changes_of_the_user_are_not_forgotten(tmp_path: Path) -> None:
    """What the user lays over the stack must be named as what is not in it."""
    project = _copied(tmp_path)
    before = PARTS["compose"](project, _options(project))
    (tmp_path / "compose.override.yaml").write_text("services: {}\n")
    after = PARTS["compose"](project, _options(project))

    assert after.files == before.files
    assert any("compose.override.yaml" in note for note in set(after.notes) - set(before.notes))


def _targets(project: Project) -> dict[str, str]:
    groups = json.loads(_files("prometheus", project)["targets/services.json"])
    return {group["labels"]["instance"]: group["targets"][0] for group in groups}


def test_targets_of_a_stack_in_containers() -> None:
    """Of containers what is published must be asked, and itself where it listens; README.md must say what is not."""
    found = _targets(_project())

    assert found == {
        "drift": "127.0.0.1:7317",
        "api": "127.0.0.1:7310",
        "alertmanager": "127.0.0.1:7314",
        "grafana": "127.0.0.1:7312",
        "prometheus": "127.0.0.1:9090",
    }
    assert "Not asked are elasticsearch-exporter, fluentd, shipper:" in _files("prometheus")["README.md"]


def test_targets_of_child_processes(tmp_path: Path) -> None:
    """Of a stack that was started all must be asked at the ports that it has, and nothing that it has not."""
    ports = {"api": 8810, "shipper": 8818, "fluentd": 8811, "log-store": 8815, "drift": 8817, "drift-forward": 8820}
    project = _copied(tmp_path, State(engine="embedded", host="0.0.0.0", ports=ports))  # noqa: S104 - what was bound

    assert _targets(project) == {
        "log-store": "127.0.0.1:8815",
        "drift": "127.0.0.1:8817",
        "shipper": "127.0.0.1:8818",
        "api": "127.0.0.1:8810",
        "prometheus": "127.0.0.1:9090",
    }
    assert json.loads(_files("prometheus", project)["targets/alertmanager.json"]) == []


def test_grafana_asks_the_prometheus_of_the_stack(tmp_path: Path) -> None:
    """Where nothing else is said, that must be the one that this machine remembers."""
    project = _copied(tmp_path, State(engine="docker", host="127.0.0.1", ports={"api": 8810, "grafana": 8812, "prometheus": 8813}))
    service = _compose("grafana", project)["services"]["grafana"]

    assert service["environment"]["SANDBOX_PROMETHEUS_URL"] == "${SANDBOX_PROMETHEUS_URL:-http://127.0.0.1:8813}"
    assert service["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert service["network_mode"] == "host"


@pytest.mark.parametrize("name", PARTS)
def test_written_twice(name: str, tmp_path: Path) -> None:
    """A second export must find everything as it is; what the user has put beside it must stay, and containers must read theirs."""
    part = PARTS[name](_project(), _options(_project()))
    write_part(part, plan_tree(tmp_path / "out", part.files, kind=part.name))
    own = tmp_path / "out/compose.override.yaml"
    own.write_text("services: {}\n")
    again = plan_tree(tmp_path / "out", part.files, kind=part.name)
    write_part(part, again)

    assert not again.differs
    assert own.read_text() == "services: {}\n"
    for opened in part.opened:
        assert (tmp_path / "out" / opened).stat().st_mode & 0o777 == 0o755
