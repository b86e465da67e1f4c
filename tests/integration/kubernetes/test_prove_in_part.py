"""What nobody looked at is no proof, and is told; what no export is for is told with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.project import load_project
from support.kubernetes import Server, serving
from support.proved import GROUPS, NAME, Place

Pointed = Callable[[Server], None]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda golden: golden.unlink(), "its package has none"),
        (lambda golden: golden.write_text(json.dumps({**json.loads(golden.read_text()), "tolerance": None})), "how far a float may be off"),
    ],
    ids=["none", "no-tolerance"],
)
def test_golden_rows_that_were_not_compared_must_be_no_proof(
    place: Place, pointed: Pointed, tmp_path: Path, *, change: Callable[[Path], object], why: str
) -> None:
    text = place.golden.read_text(encoding="utf-8")
    change(place.golden)
    try:
        with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}) as server:
            pointed(server)
            result = place.proved()
    finally:
        place.golden.write_text(text, encoding="utf-8")

    assert result.findings == []
    assert result.verdict == f"proven, but for: golden rows of {NAME}, events of {NAME}"
    assert any(each.startswith(f"golden rows of {NAME}: ") and why in each for each in result.left_out)


def test_a_clone_without_packages_must_be_told_what_it_could_not_prove(pointed: Pointed, place: Place, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/sandbox.toml").write_text((place.project.root / "sandbox.toml").read_text())
    clone = Place(load_project(tmp_path / "clone"), place.service, place.golden)
    with serving(tmp_path, groups=GROUPS, nodes=1, services={NAME: place.url}) as server:
        pointed(server)
        result = clone.proved()

    assert result.verdict == f"proven, but for: golden rows of {NAME}, events of {NAME}"
    assert any("is not in this project" in each for each in result.left_out)
    assert any(each.startswith(f"events of {NAME}: ") for each in result.left_out)


def test_a_cluster_that_is_too_old_for_any_export_must_be_upgraded(place: Place, pointed: Pointed, tmp_path: Path) -> None:
    with serving(tmp_path, release="1.28", groups=GROUPS) as server:
        pointed(server)
        (finding,) = [each for each in place.proved().findings if each.subject == "the cluster"]

        assert finding.fix.startswith("upgrade the cluster to 1.29 or newer")
        assert "--k8s-version" not in finding.fix
