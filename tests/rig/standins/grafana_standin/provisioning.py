"""What is provisioned: data sources and dashboards, out of the files that Grafana reads at its start."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grafana_standin.settings import StartFailed

Json = dict[str, Any]
_VARIABLE = re.compile(r"\$__env\{(?P<env>\w+)\}|\$__file\{(?P<file>[^}]+)\}|\$\{(?P<braced>\w+)\}|\$(?P<plain>[A-Za-z_]\w*)|\$\$")
_OWN = {"-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana", "datasource"}


@dataclass(frozen=True)
class Provisioned:
    """Data sources by uid, dashboards by uid, and the folder of each dashboard."""

    sources: dict[str, Json]
    dashboards: dict[str, Json]
    folders: dict[str, str]


def load(root: Path) -> Provisioned:
    """Read everything below the provisioning folder.

    Raises:
        StartFailed: a file does not parse, or says something that Grafana refuses or could not show.
    """
    sources: dict[str, Json] = {}
    for file, document in _documents(root / "datasources"):
        for source in document.get("datasources") or []:
            _need(file, source, "name", "type")
            uid = source.setdefault("uid", source["name"].lower())
            if uid in sources or source["name"] in {other["name"] for other in sources.values()}:
                raise StartFailed(f"{file}: the data source {source['name']} or its uid {uid} is there twice")
            sources[uid] = {"access": "proxy", "url": "", "isDefault": False, **source, "id": len(sources) + 1, "readOnly": True}
    if sum(bool(source["isDefault"]) for source in sources.values()) > 1:
        raise StartFailed("only one data source per organization can be marked as default")
    dashboards: dict[str, Json] = {}
    folders: dict[str, str] = {}
    for file, document in _documents(root / "dashboards"):
        for provider in document.get("providers") or []:
            _need(file, provider, "name")
            for dashboard in _dashboards(file, provider, sources):
                if dashboard["uid"] in dashboards:
                    raise StartFailed(f"{file}: the same UID is used more than once: {dashboard['uid']}")
                dashboards[dashboard["uid"]] = dashboard
                folders[dashboard["uid"]] = provider.get("folder") or "General"
    return Provisioned(sources, dashboards, folders)


def _documents(folder: Path) -> Iterator[tuple[Path, Json]]:
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError) as error:
            raise StartFailed(f"{file} cannot be read: {error}") from error
        if not isinstance(document, dict) or document.get("apiVersion") != 1:
            raise StartFailed(f"{file} has no `apiVersion: 1`")
        yield file, expanded(document)


def expanded(value: Any) -> Any:
    """Values with their variables and files put in; keys stay."""
    if isinstance(value, dict):
        return {key: expanded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner) for inner in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(found: re.Match[str]) -> str:
    if found["file"]:
        try:
            return Path(found["file"]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StartFailed(f"$__file{{{found['file']}}}: {error}") from error
    name = found["env"] or found["braced"] or found["plain"]
    return os.environ.get(name, "") if name else "$"


def _need(file: Path, entry: Json, *keys: str) -> None:
    for key in keys:
        if not entry.get(key):
            raise StartFailed(f"{file}: an entry has no `{key}`")


def _dashboards(file: Path, provider: Json, sources: dict[str, Json]) -> Iterator[Json]:
    options = provider.get("options") or {}
    folder = Path(options.get("path") or options.get("folder") or "")
    found = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    if not found:
        raise StartFailed(f"{file}: the provider {provider['name']} finds no dashboard in {folder}")
    for path in found:
        try:
            dashboard = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StartFailed(f"{path} is not JSON: {error}") from error
        if not isinstance(dashboard, dict) or not dashboard.get("title"):
            raise StartFailed(f"{path}: Dashboard title cannot be empty")
        dashboard.setdefault("uid", path.stem)
        for uid in _used(dashboard):
            if uid not in sources and uid not in _OWN and "$" not in uid:
                raise StartFailed(f"{path} asks for the data source {uid!r}, which is not provisioned")
        yield dashboard


def _used(value: Any) -> Iterator[str]:
    """Uids of data sources anywhere in a dashboard."""
    if isinstance(value, dict):
        source = value.get("datasource")
        if isinstance(source, dict) and source.get("uid"):
            yield source["uid"]
        for inner in value.values():
            yield from _used(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _used(inner)
