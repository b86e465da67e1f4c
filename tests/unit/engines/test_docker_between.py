"""The files of a stack between a move and the rest of its plan."""

from __future__ import annotations

import json

import yaml

from mlsandbox.engines.base import Move, ObservedFront
from mlsandbox.engines.docker_between import SERVERS, between
from mlsandbox.engines.docker_observe import Recorded
from mlsandbox.engines.docker_record import RECORD, fronts_in, record_file, recorded_in
from mlsandbox.render.compose import COMPOSE_FILE
from mlsandbox.render.tree import RenderedFile


def _files(version: int, *, more: str = "") -> list[RenderedFile]:
    """A stack of two models of this version, which need a shipper and one more service."""
    services = {
        "shipper": {"image": f"shipper:{version}"},
        **({more: {"image": more}} if more else {}),
        f"api-v{version}": {"image": f"v{version}", "command": "$$HOME", "depends_on": {name: {} for name in ("shipper", more) if name}},
        f"api-churn-v{version}": {"image": f"v{version}"},
    }
    fronts = [ObservedFront("api", 1, f"api-v{version}"), ObservedFront("api-churn", 2, f"api-churn-v{version}")]
    return [
        RenderedFile(COMPOSE_FILE, json.dumps({"name": "toys", "services": services, "networks": {"back": {}}})),
        record_file({name: Recorded(f"{name}@{version}") for name in services}, fronts),
        RenderedFile(SERVERS, "".join(f"backend {each.name} from {each.name}\n    server slot1 {each.service}:1\n" for each in fronts)),
        RenderedFile("config/shipper/conf", str(version)),
        RenderedFile(f"config/api-v{version}/conf", str(version)),
    ]


def test_only_what_was_moved_is_new() -> None:
    """Of two fronts one moved: its version, and what that needs that was not there, must be added; all else must be as it was."""
    files = {file.path: file for file in between(_files(1), _files(2, more="store"), [Move("api", "api-v2", "api-v1")])}

    services = yaml.safe_load(files[COMPOSE_FILE].text)["services"]
    assert set(services) == {"shipper", "api-v1", "api-churn-v1", "api-v2", "store"}
    assert (services["shipper"]["image"], services["api-v2"]["command"]) == ("shipper:1", "$$HOME")
    record = recorded_in(files[RECORD].text)
    assert {name: each.digest[-1] for name, each in record.items()} == {
        name: "2" if name in {"api-v2", "store"} else "1" for name in services
    }
    assert [each.service for each in fronts_in(files[RECORD].text)] == ["api-v2", "api-churn-v1"]
    assert files[RECORD].mode == 0o600
    assert [line.split()[-1] for line in files[SERVERS].text.splitlines() if "slot1" in line] == ["api-v2:1", "api-churn-v1:1"]
    assert files[SERVERS].text.startswith("backend api from api\n")
    assert {path: files[path].text for path in files if path.endswith("/conf")} == {
        "config/shipper/conf": "1",
        "config/api-v1/conf": "1",
        "config/api-v2/conf": "2",
    }
