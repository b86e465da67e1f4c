"""What is exported from a project, as whole trees in tests/golden; `pytest --update-golden` writes them anew."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.plain import plain_text
from support.exported import inputs
from support.golden import assert_tree
from support.rendered import GOLDEN, with_named_assets

CASES: dict[str, dict[str, Any]] = {"one-model": {}, "two-models": {}, "three-models": {"whole": True, "release": "1.35"}}
"""By project: what is asked for."""


@cache
def _exported(case: str) -> tuple[Export, ExportFacts]:
    spec, facts = inputs(case, **CASES[case])
    return build_export(with_named_assets(spec), facts), facts


@pytest.mark.parametrize("case", CASES)
def test_kustomize(case: str, *, update_golden: bool) -> None:
    """The tree must be the one that was committed, no file more and none less."""
    files = {file.path: file.text for file in kustomize_files(*_exported(case))}

    assert_tree(GOLDEN / case / "expected/kubernetes", files, update=update_golden)


@pytest.mark.parametrize("case", CASES)
def test_plain(case: str, *, update_golden: bool) -> None:
    """The lists must be those that were committed, one of each overlay."""
    export, facts = _exported(case)
    files = {f"{overlay.name}.yaml": plain_text(export, overlay.name, facts) for overlay in export.overlays}

    assert_tree(GOLDEN / case / "expected/kubernetes-plain", files, update=update_golden)


@pytest.mark.parametrize("case", CASES)
def test_same_twice(case: str) -> None:
    """The same project must be the same bytes each time that it is exported."""
    spec, facts = inputs(case, **CASES[case])
    again = build_export(with_named_assets(spec), facts)

    assert kustomize_files(again, facts) == kustomize_files(*_exported(case))
