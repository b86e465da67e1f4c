"""What the distribution holds."""

from __future__ import annotations

import email
import email.message
import tarfile
import tomllib
import zipfile
from pathlib import Path

from support.distribution import Built
from support.repository import ROOT, tracked

PLACES = {
    "cli/mlsandbox/": "mlsandbox/",
    "services/mlsandbox_serving/": "mlsandbox_serving/",
    "services/requirements/": "mlsandbox/_assets/requirements/",
    **{f"{name}/": f"mlsandbox/_assets/{name}/" for name in ("compose", "fluentd", "grafana", "prometheus")},
    "docs/runbook.md": "mlsandbox/_assets/docs/runbook.md",
}


def _expected() -> dict[str, bytes]:
    """Files that the wheel must hold, by their path in it, with their bytes."""
    return {
        installed + name.removeprefix(source): (ROOT / name).read_bytes()
        for source, installed in PLACES.items()
        for name in tracked(source + "*")
    }


def _files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def _metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_wheel_is_what_git_knows(built: Built) -> None:
    """The wheel must hold exactly the tracked files of its folders, byte for byte, and nothing that lies about beside them."""
    found, expected = _files(built.wheel), _expected()

    assert sorted(found) == sorted(expected)
    assert [name for name, content in expected.items() if found[name] != content] == []


def test_both_ways_give_one_wheel(built: Built) -> None:
    """The wheel built from the checkout and the one built from the source distribution must hold the same files."""
    assert _files(built.wheel_from_tree) == _files(built.wheel)


def test_sdist_has_no_strays(built: Built) -> None:
    """The source distribution must hold tracked files only, and all that a build needs."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()}

    assert names - {"PKG-INFO"} <= set(tracked("*"))
    assert {"pyproject.toml", "README.md", "LICENSE", *tracked(*(f"{place}*" for place in PLACES))} <= names


def test_metadata(built: Built) -> None:
    """Name, version, licence, Pythons, dependencies and the command must be those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = _metadata(built.wheel)

    assert (metadata["Name"], metadata["Version"]) == (project["name"], project["version"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert set(metadata["Requires-Python"].split(",")) == set(project["requires-python"].split(","))
    assert {_spec(line) for line in metadata.get_all("Requires-Dist", [])} == {_spec(line) for line in project["dependencies"]}
    assert built.wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built.wheel) as archive:
        scripts = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert scripts.split() == ["[console_scripts]", "sandbox", "=", "mlsandbox.cli:main"]


def _spec(requirement: str) -> tuple[str, frozenset[str]]:
    """Name and version bounds, in whatever order and spacing they are written."""
    bare = requirement.replace(" ", "").lower()
    cut = min((bare.find(sign) for sign in "<>=!~" if sign in bare), default=len(bare))
    return bare[:cut], frozenset(bare[cut:].split(","))
