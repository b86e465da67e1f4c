"""Overlays that are kept, and what they name that an export takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.export_dangling import dangling, refuse_dangling
from mlsandbox.actions.export_tree import TreePlan, plan_tree
from mlsandbox.errors import ComponentMissing
from mlsandbox.render.kubernetes.bundle import Missing
from mlsandbox.render.tree import RenderedFile

HEAD = "# Written by mlsandbox\n"
DEV = "overlays/dev/kustomization.yaml"
BASE = "base/kustomization.yaml"
NEXT = "components/challenger/kustomization.yaml"
NAMING = f"""{HEAD}resources:
  - ../../base
components:
  - ../../components/drift/
  # - ../../components/ingress
  - "../../components/challenger"
"""


def plan(folder: Path, *paths: str) -> TreePlan:
    """Of an export that has these files, and the overlay for development."""
    files = [RenderedFile(path, HEAD) for path in ("base/kustomization.yaml", "components/drift/kustomization.yaml", DEV, *paths)]
    return plan_tree(folder, files, kind="k8s")


def lines(folder: Path, *paths: str) -> list[str]:
    """What would be missing."""
    return [str(each) for each in dangling(plan(folder, *paths))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export with a challenger, whose overlay was changed to name it."""
    plan(tmp_path, NEXT).apply()
    (tmp_path / DEV).write_text(NAMING)
    return tmp_path


def test_what_a_kept_overlay_names_and_is_taken_away(folder: Path) -> None:
    """A line of a kept overlay must be found once its component goes, with where it is; not while it stays."""
    assert lines(folder, NEXT) == []
    assert lines(folder) == [f"{DEV}:7 names components/challenger"]

    plan(folder).apply()
    assert lines(folder) == [f"{DEV}:7 names components/challenger"]


def test_an_overlay_of_its_users_own(folder: Path) -> None:
    """Overlays that no export has written must be looked at, too; what their users have added themselves is there."""
    plan(folder, NEXT).apply()
    (folder / "overlays/eu/qa").mkdir(parents=True)
    (folder / "overlays/eu/qa/kustomization.yml").write_text(
        "{components: [../../../components/mine, ../../../components/challenger], resources: [../../dev, https://a/b, local.yaml]}"
    )
    (folder / "components/mine").mkdir()
    (folder / "components/mine/kustomization.yaml").write_text("")

    assert lines(folder)[1:] == ["overlays/eu/qa/kustomization.yml:1 names components/challenger"]


def test_an_overlay_that_is_written_anew(tmp_path: Path) -> None:
    """An overlay that nobody changed must count as it will be."""
    files = [RenderedFile(DEV, NAMING), RenderedFile(NEXT, HEAD)]
    plan_tree(tmp_path, files, kind="k8s").apply()

    assert lines(tmp_path) == []


@pytest.mark.parametrize("text", ["components: [", "[" * 5000, "- a", "components: ../../components/x", "\x00", "components: [{a: b}]", ""])
def test_what_is_no_kustomization(folder: Path, text: str) -> None:
    """A file that Kustomize does not take either must stop no export."""
    (folder / DEV).write_text(text)

    assert lines(folder) == []


def test_both_ways_out(folder: Path) -> None:
    """The error must name overlay, line and component, and say how it can be had, and how to do without."""
    found = dangling(plan(folder))
    with pytest.raises(ComponentMissing) as error:
        refuse_dangling(found, {"challenger": Missing("its image is not known", "sandbox export k8s --image churn/challenger=REF")})

    assert f"{DEV} names components/challenger" in error.value.what
    assert f"{DEV}:7" in str(error.value.why)
    assert error.value.fix == f"sandbox export k8s --image churn/challenger=REF   or take line 7 out of {DEV}"
    refuse_dangling((), {})
