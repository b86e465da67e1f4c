"""What is rendered from a project, as whole trees in tests/golden; `pytest --update-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.project_stack import parts_of, stack_of
from mlsandbox.engines.base import Observed, Plan
from mlsandbox.engines.process_plan import plan_processes
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.render.processes import Places, render_config, render_processes
from mlsandbox.stack.build import port_names
from mlsandbox.supervise.spec import list_from_json, list_to_json
from support.golden import assert_tree

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/sandbox.toml"))
ENVIRON = {"PATH": "/bin", "HOME": "/home/ü", "OMP_NUM_THREADS": "2", "AWS_SECRET_ACCESS_KEY": "never passed on"}


def _rendered(project: Project) -> dict[str, str]:
    """The tree of a project whose models are all packaged as v1; its own folder appears as <project>."""
    packages = [_package(project, name, number) for number, name in enumerate(project.models, 1)]
    parts = parts_of(project, "embedded", ())
    ports = {name: 7310 + index for index, name in enumerate(port_names([package.model for package in packages], parts))}
    spec = stack_of(project, packages, ports, parts)
    by_tag = {package.tag: package for package in packages}
    pythons = {
        each.environment: by_tag[each.package].python if each.package else Path(f"/cache/envs/{each.name}/bin/python")
        for each in spec.services
    }
    folders = {tag: package.bento_path for tag, package in by_tag.items()}
    places = Places(project.state_dir, pythons, folders, {}, project.state_dir / "stack/served-0123")
    processes = render_processes(spec, places, ENVIRON, render_config(spec, places))
    plan = Plan(plan_processes(processes, Observed()), folders=spec.data_folders, secrets=spec.secret_names)
    files = {
        "processes.json": list_to_json(processes),
        "plan.txt": f"{plan}\nfolders: {', '.join(plan.folders)}\nsecrets: {', '.join(plan.secrets) or 'none'}\n",
    }
    return {name: text.replace(str(project.root), "<project>") for name, text in files.items()}


def _package(project: Project, model: str, number: int) -> Package:
    manifest = {"lock_digest": f"sha256:{number}", "python": "3.11.7"}
    bento = project.state_dir / "bentoml/bentos" / model / "v1"
    return Package(model, "v1", f"sha256:{number}", f"{model}:v1", bento, Path(f"/cache/envs/{number}/bin/python"), manifest)


@pytest.mark.parametrize("case", CASES)
def test_rendered_tree(case: str, *, update_golden: bool) -> None:
    """What is rendered from a project must be the tree that was committed, no file more and none less."""
    files = _rendered(load_project(GOLDEN / case))

    assert_tree(GOLDEN / case / "expected", files, update=update_golden)
    assert list_from_json(files["processes.json"])


def test_cases() -> None:
    """There must be a tree for one model and for several."""
    assert {len(load_project(GOLDEN / case).models) for case in CASES} == {1, 2}
