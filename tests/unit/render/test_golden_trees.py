"""What is rendered from a project, as whole trees in tests/golden; `pytest --update-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.engines.base import Observed, Plan
from mlsandbox.engines.process_plan import plan_processes
from mlsandbox.project import load_project
from mlsandbox.render.processes import Places, render_config, render_fronts, render_processes
from mlsandbox.supervise.spec import ProcessList, list_from_json, list_to_json
from support.golden import assert_tree
from support.rendered import CASES, ENVIRON, GOLDEN, PROFILES, ROOT, Packaged, compose_files, container_places, packaged


def _processes(stack: Packaged) -> dict[str, str]:
    spec = stack.spec
    pythons = {
        each.environment: stack.packages[each.package].python if each.package else Path(f"/cache/envs/{each.name}/bin/python")
        for each in spec.services
    }
    folders = {tag: package.bento_path for tag, package in stack.packages.items()}
    places = Places(ROOT / ".sandbox", pythons, folders, {}, ROOT / ".sandbox/stack/served-0123")
    processes = render_processes(spec, places, ENVIRON, render_config(spec, places))
    plan = Plan(plan_processes(processes, Observed()), folders=spec.data_folders, secrets=spec.secret_names)
    return {
        "processes.json": list_to_json(ProcessList(processes, render_fronts(spec))),
        "plan.txt": f"{plan}\nfolders: {', '.join(plan.folders)}\nsecrets: {', '.join(plan.secrets) or 'none'}\n",
    }


@pytest.mark.parametrize("case", CASES)
def test_processes(case: str, *, update_golden: bool) -> None:
    """What is rendered for child processes must be the tree that was committed, no file more and none less."""
    files = _processes(packaged(GOLDEN / case, "embedded"))

    assert_tree(GOLDEN / case / "expected/embedded", files, update=update_golden)
    assert list_from_json(files["processes.json"]).processes


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", CASES)
def test_containers(case: str, profile: str, *, update_golden: bool) -> None:
    """What is rendered for containers must be the tree that was committed, no file more and none less."""
    spec = packaged(GOLDEN / case, "docker", profile).spec
    files = {file.path: file.text for file in compose_files(spec, container_places(spec))}

    assert_tree(GOLDEN / case / f"expected/docker-{profile}", files, update=update_golden)


def test_cases() -> None:
    """There must be a tree for one model and for several."""
    assert {len(load_project(GOLDEN / case).models) for case in CASES} == {1, 2}
