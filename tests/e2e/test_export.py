"""`sandbox export`: what a folder with nothing but sandbox.toml gives."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.sandbox import ROOT, Result, Sandbox

EXAMPLE = ROOT / "examples" / "employment" / "sandbox.toml"
DIGEST = f"sha256:{'4d3f' * 16}"
IMAGE = f"registry.example.com/team/employment:v3@{DIGEST}"
SERVICES = tuple(f"--image={key}=registry.example.com/team/{key}@{DIGEST}" for key in ("drift", "fluentd", "log-store"))


@pytest.fixture
def clone(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A clone of a project that was never trained, where no Docker answers."""
    sandbox = make_sandbox("clone", extra={"DOCKER_HOST": "unix:///no/docker.sock"})
    shutil.copy(EXAMPLE, sandbox.root)
    return sandbox


def export(sandbox: Sandbox, *words: str, folder: str = "k8s") -> Result:
    """`sandbox export k8s` of the example's image."""
    return sandbox.run("export", "k8s", folder, "--image", IMAGE, *words)


def tree(folder: Path) -> Mapping[str, bytes]:
    """All files in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_clone_needs_sandbox_toml_alone(clone: Sandbox) -> None:
    """An export must need neither model, package, lock nor Docker, leave nothing but its folder, and be the same the second time."""
    first = export(clone, *SERVICES, "-o", "json").ok().json
    written = tree(clone.root / "k8s")
    second = export(clone, *SERVICES, "-o", "json").ok().json

    assert sorted(path.name for path in clone.root.iterdir()) == ["k8s", "sandbox.toml"]
    assert (first["kind"], first["kubernetes"]) == ("Export", "1.33")
    assert {"base/kustomization.yaml", "README.md", "overlays/production/kustomization.yaml"} <= set(written)
    assert sorted(first["written"]) == sorted(set(written) - {".mlsandbox.json"})
    assert second["written"] == second["removed"] == []
    assert tree(clone.root / "k8s") == written


def test_two_machines_write_the_same(clone: Sandbox, make_sandbox: Callable[..., Sandbox]) -> None:
    """A clone elsewhere, and other orders of the options, must give the same bytes."""
    other = make_sandbox("somewhere else")
    shutil.copy(EXAMPLE, other.root)
    export(clone, *SERVICES, "--with", "keda,ingress").ok()
    other.run("export", "k8s", *SERVICES[::-1], "--with=keda", "--with", "ingress", "--image", f"employment={IMAGE}").ok()

    assert tree(other.root / "k8s") == tree(clone.root / "k8s")


def test_hand_edits_survive_and_check_says_what_differs(clone: Sandbox) -> None:
    """Changed overlays must be kept and ignored by --check; changes elsewhere must end a check with 3 and be named before they are lost."""
    export(clone).ok()
    overlay, base = clone.root / "k8s/overlays/dev/kustomization.yaml", clone.root / "k8s/base/kustomization.yaml"
    overlay.write_text(overlay.read_text() + "# mine\n")
    kept = export(clone, "--check").ok()
    base.write_text(base.read_text() + "# mine\n")
    differing = export(clone, "--check")
    again = export(clone).ok()

    assert "is what would be written" in kept.out
    assert differing.code == 3
    assert "base/kustomization.yaml" in differing.out
    assert "overlays/dev" not in differing.out
    assert "base/kustomization.yaml was changed by hand" in again.err
    assert "overlays/dev/kustomization.yaml" in again.out
    assert overlay.read_text().endswith("# mine\n")
    assert "mine" not in base.read_text()


def test_what_a_kept_overlay_names_is_not_taken_away(clone: Sandbox) -> None:
    """A component that a changed overlay names must not go: a check must name it and end with 3, an export with 2."""
    challenger = f"--image=employment/challenger={IMAGE}"
    export(clone, challenger).ok()
    overlay = clone.root / "k8s/overlays/staging/kustomization.yaml"
    text, count = re.subn(r"(?m)^# components:$", "components:", overlay.read_text())
    overlay.write_text(re.sub(r"(?m)^  # (- \.\./\.\./components/challenger)\b", r"  \1", text))
    number = (
        overlay.read_text()
        .splitlines()
        .index(next(line for line in overlay.read_text().splitlines() if line.startswith("  - ../../components/challenger")))
        + 1
    )
    before = tree(clone.root / "k8s")
    kept = export(clone, challenger, "--check").ok()
    checked = export(clone, "--check")
    refused, dry = export(clone), export(clone, "--dry-run")

    assert count == 1
    assert "is what would be written" in kept.out
    assert checked.code == 3
    assert f"overlays/staging/kustomization.yaml:{number} names components/challenger" in checked.out
    for each in (refused, dry):
        assert each.code == 2
        assert f"overlays/staging/kustomization.yaml:{number}" in each.err
        assert "--image employment/challenger=REF" in each.err
        assert f"take line {number} out" in each.err
    assert tree(clone.root / "k8s") == before


def test_a_password_is_never_written_nor_said(clone: Sandbox) -> None:
    """A password in an address must end it with 2, and be nowhere: neither in the folder nor in what is printed."""
    refused = export(clone, "--prometheus-url", "http://user:s3cret@prometheus:9090", "--with", "keda")

    assert refused.code == 2
    assert "TriggerAuthentication" in refused.err
    assert "s3cret" not in refused.out + refused.err
    assert not (clone.root / "k8s").exists()


def test_a_baseline_of_the_project_is_not_in_a_cluster(clone: Sandbox) -> None:
    """Whoever has a baseline must be told that a cluster does not have it, in the folder's case and in that of a text."""
    without = export(clone).ok()
    baseline = clone.root / "employment/baseline/baseline.json"
    baseline.parent.mkdir(parents=True)
    baseline.write_text("{}")
    told, printed = export(clone).ok(), clone.run("export", "k8s", "--image", IMAGE, "--stdout").ok()

    assert "baseline" not in without.err
    for each in (told, printed):
        assert "the baseline of employment (sandbox drift baseline) stays in this project" in each.err


def test_a_dry_run_and_a_print_write_nothing(clone: Sandbox) -> None:
    """--dry-run, --check and --stdout must leave the project as it is; what is printed is what --format plain writes."""
    dry = export(clone, "--dry-run").ok()
    checked = export(clone, "--check")
    printed = clone.run("export", "k8s", "--image", IMAGE, "--stdout", "--overlay", "dev").ok()
    assert sorted(path.name for path in clone.root.iterdir()) == ["sandbox.toml"]
    export(clone, "--format", "plain", "--overlay", "dev").ok()

    assert "base/kustomization.yaml" in dry.out
    assert checked.code == 3
    assert "kind: Deployment" in printed.out
    assert "namespace: employment-dev" in printed.out
    assert printed.out == (clone.root / "k8s/plain/dev.yaml").read_text()


def test_a_plain_list_leaves_the_tree_alone(clone: Sandbox) -> None:
    """A tree and plain lists in one folder must not remove each other."""
    export(clone).ok()
    before = tree(clone.root / "k8s")
    export(clone, "--format", "plain").ok()
    export(clone).ok()
    after = tree(clone.root / "k8s")

    assert set(after) - set(before) == {"plain/production.yaml"}
    assert {path: data for path, data in after.items() if path in before and path != ".mlsandbox.json"} == {
        path: data for path, data in before.items() if path != ".mlsandbox.json"
    }


def test_folders_of_others_are_left_alone(clone: Sandbox) -> None:
    """Files of somebody else under our names must end it with 2 and stay."""
    (clone.root / "k8s/base").mkdir(parents=True)
    (clone.root / "k8s/base/kustomization.yaml").write_text("resources: []\n")
    refused = export(clone)

    assert refused.code == 2
    assert "EXPORT_FOLDER_TAKEN" in refused.err
    assert tree(clone.root / "k8s") == {"base/kustomization.yaml": b"resources: []\n"}


def test_what_does_not_go_together(clone: Sandbox) -> None:
    """Options that contradict each other, or belong to another export, must be usage errors that name them."""
    table = {
        ("k8s", "--image", IMAGE, "--overlay", "dev"): "--overlay",
        ("k8s", "--image", IMAGE, "--overlay", "qa", "--stdout"): "qa",
        ("k8s", "--image", IMAGE, "--stdout", "--format", "kustomize"): "--stdout",
        ("k8s", "--image", IMAGE, "--stdout", "-o", "json"): "--stdout",
        ("k8s", "--image", IMAGE, "--format", "helm"): "helm",
        ("k8s", "--image", IMAGE, "--check", "--prove"): "--prove",
        ("k8s", "--image", IMAGE, "--dry-run", "--prove"): "--dry-run",
        ("k8s", "--image", IMAGE, "--prove", "--stdout"): "--stdout",
        ("k8s", "--image", IMAGE, "--prove", "--format", "plain"): "--format",
        ("k8s", "--image", IMAGE, "--prove", "--overlay", "dev"): "--overlay",
        ("k8s", "elsewhere", "--image", IMAGE, "--prove"): "elsewhere",
        ("k8s", "--image", IMAGE, "--context", "kind"): "--prove",
        ("k8s", "--image", IMAGE, "--with", "istio"): "istio",
        ("k8s", "--to-registry", "team", "--check"): "--to-registry",
        ("compose", "--with", "keda"): "--with",
        ("grafana", "--k8s-version", "1.30"): "--k8s-version",
        ("prometheus", "--stdout"): "--stdout",
        ("prometheus", "--image", IMAGE): "--image",
        ("grafana", "--image", f"drift={IMAGE}"): "--image",
        ("grafana", "--version", "v3"): "--version",
    }
    for words, named in table.items():
        refused = clone.run("export", *words)

        assert refused.code == 2, (words, refused)
        assert named in refused.err, (words, refused.err)
        assert f"sandbox export {words[0]}" in refused.err, (words, refused.err)
    assert sorted(path.name for path in clone.root.iterdir()) == ["sandbox.toml"]


def test_a_folder_from_where_one_is(clone: Sandbox) -> None:
    """A folder must be meant from the current folder, the usual one from the project; the command must be whole with -C."""
    inside = clone.root / "deploy"
    inside.mkdir()
    clone.run("export", "k8s", "here", "--image", IMAGE, cwd=inside).ok()
    clone.run("export", "k8s", "--image", IMAGE, cwd=inside).ok()
    other = clone.run("-C", str(clone.root), "export", "k8s", "--image", IMAGE, "--check", "--with", "keda", cwd=clone.home)

    assert sorted(path.name for path in clone.root.iterdir()) == ["deploy", "k8s", "sandbox.toml"]
    assert "sandbox export k8s deploy/here " in (inside / "here/README.md").read_text()
    assert other.code == 3
    assert f"sandbox -C {clone.root} export k8s " in other.out


def test_measuring_needs_a_stack_that_runs(clone: Sandbox) -> None:
    """--measured without a running stack must say how to start it."""
    refused = export(clone, "--measured")

    assert refused.code == 1
    assert "sandbox up" in refused.err
    assert not (clone.root / "k8s").exists()


def test_what_runs_is_measured_and_remembered(running_stack: Sandbox, tmp_path: Path) -> None:
    """--measured must keep what the running model uses, and later exports must ask for it."""
    folder = str(tmp_path / "k8s")
    words = ("export", "k8s", folder, "--image", f"churn@{DIGEST}")
    plain = running_stack.run(*words, "--stdout").ok().out
    running_stack.run(*words, "--measured").ok()
    measured = running_stack.run(*words, "--stdout").ok().out

    assert (tmp_path / "k8s/measured.json").is_file()
    assert measured != plain
    assert running_stack.run(*words, "--check").code == 0


def test_parts_alone(clone: Sandbox) -> None:
    """Dashboards and alerts must be exported without anything that was built or runs, and once."""
    for what in ("grafana", "prometheus"):
        clone.run("export", what).ok()
        first = tree(clone.root / what)
        clone.run("export", what).ok()

        assert "README.md" in first
        assert tree(clone.root / what) == first
        assert clone.run("export", what, "--check").code == 0
    assert not os.path.lexists(clone.root / ".sandbox")


def test_a_part_outside_of_the_project(clone: Sandbox) -> None:
    """The command that is told must have the folder; the one in the files no path of this machine."""
    folder = clone.root.parent / "grafana-outside"
    told = clone.run("export", "grafana", str(folder), "-o", "json").ok().json["command"]

    assert told == f"sandbox export grafana {folder}"
    assert (folder / "README.md").read_text().splitlines()[0].endswith(": sandbox export grafana DIR -->")
