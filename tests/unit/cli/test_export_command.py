"""`sandbox export`, in the test's own process."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.cli import main

from .conftest import Ran

Run = Callable[..., Ran]
IMAGE = f"registry.example.com/team/churn@sha256:{'a' * 64}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a project that was never up."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "sandbox.toml").write_text('name = "shop"\n[models.churn]\npath = "churn.joblib"\n')
    monkeypatch.chdir(root)
    return root


class Interrupted(io.StringIO):
    """Output during which somebody presses Ctrl-C."""

    def write(self, text: str) -> int:
        signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_what_was_written_is_not_interrupted(sandbox: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C once all was written must not make a failure of what is told as a success."""
    said = Interrupted()
    monkeypatch.setattr(sys, "stdout", said)

    assert main(("export", "k8s", "--image", IMAGE)) == 0
    assert "Wrote" in said.getvalue()
    assert (project / "k8s/README.md").is_file()


def test_a_kept_overlay_is_shown_as_it_is(sandbox: Run, project: Path) -> None:
    """Of an overlay that was changed by hand its own namespace and components must be shown, and what these leave to do."""
    words = ("export", "k8s", "--image", IMAGE, "--with", "keda")
    before = sandbox(*words, "-o", "json").json
    for overlay in ("dev", "staging", "production"):
        file = project / f"k8s/overlays/{overlay}/kustomization.yaml"
        file.write_text("namespace: mine\ncomponents:\n- ../../components/prometheusrule\n- ../own/\n")
    (project / "k8s/overlays/staging/kustomization.yaml").write_text("namespace: [")
    after = sandbox(*words, "-o", "json").json
    said = [" ".join(line.split()) for line in sandbox(*words).out.splitlines()]

    assert after["overlays"] == {name: ["prometheusrule", "../own"] for name in ("dev", "production")}
    assert after["namespaces"] == {"dev": "mine", "production": "mine"}
    assert (after["yours"], after["unreadable"]) == (["dev", "production"], ["staging"])
    assert any("KEDA" in text for text in before["todo"])
    assert not any("KEDA" in text for text in after["todo"])
    assert "dev yours: namespace mine · prometheusrule, ../own" in said
    assert "staging yours: not readable" in said


def test_no_plain_list_goes_stale(sandbox: Run, project: Path) -> None:
    """Plain lists that were written before must follow another image, whatever is exported, and a check must see those that do not."""
    for overlay in ("dev", "production"):
        sandbox("export", "k8s", "--image", IMAGE, "--format", "plain", "--overlay", overlay)
    other = IMAGE.replace("a" * 64, "b" * 64)
    checked = [sandbox("export", "k8s", "--image", other, "--check", *words) for words in (("--format", "plain"), ())]
    written = sandbox("export", "k8s", "--image", other, "--format", "plain", "-o", "json").json["written"]
    (project / "k8s/plain/dev.yaml").unlink()
    again = sandbox("export", "k8s", "--image", IMAGE, "-o", "json").json["written"]

    assert [each.code for each in checked] == [3, 3]
    assert all("differs   plain/dev.yaml" in each.out for each in checked)
    assert written == ["plain/dev.yaml", "plain/production.yaml"]
    assert [path for path in again if path.startswith("plain/")] == ["plain/production.yaml"]


@pytest.mark.parametrize("words", [(), ("--check",), ("--stdout",), ("--format", "plain")])
def test_a_file_is_no_folder(sandbox: Run, project: Path, words: tuple[str, ...]) -> None:
    """A DIR that is a file, or lies in one, must be called so."""
    for folder in ("sandbox.toml", "sandbox.toml/k8s"):
        refused = sandbox("export", "k8s", folder, "--image", IMAGE, *words)

        assert refused.code == 2
        assert f"{project}/sandbox.toml is a file" in refused.err
        assert f"choose another folder: sandbox export k8s {project}/sandbox.toml-k8s" in refused.err
        assert refused.err.count("hint") == 1


def test_a_folder_that_cannot_be_made(sandbox: Run, project: Path) -> None:
    """Where no folder can be made the hint must name the folder that is there, and nothing may look like a mistake of ours."""
    refused = sandbox("export", "k8s", "/proc/none/k8s", "--image", IMAGE)

    assert "error[ACCESS_DENIED]: /proc/none/k8s cannot be made" in refused.err
    assert "ls -ld /proc\n" in refused.err


def test_only_what_overlays_would_have_is_missed(sandbox: Run, project: Path) -> None:
    """Components that no overlay has unless it is asked for must not be told as missing, nor those that were left out."""
    missing = sandbox("export", "k8s", "--image", IMAGE, "-o", "json").json["missing"]
    without = sandbox("export", "k8s", "--image", IMAGE, "--without", "drift", "-o", "json").json["missing"]

    assert list(missing) == ["drift", "logging", "elasticsearch"]
    assert list(without) == ["logging", "elasticsearch"]


def test_the_command_has_the_folder(sandbox: Run, project: Path) -> None:
    """What is printed must have the folder as it was said; files have it without any path of this machine, and say what it is."""
    outside, sub = project.parent / "out here", project / "sub"
    sub.mkdir()
    words = ("export", "k8s", str(outside), "--image", IMAGE)
    checked = sandbox(*words, "--check")
    written = sandbox(*words, "-o", "json").json
    sandbox(*words, "--format", "plain")
    sandbox("export", "k8s", "sub/k8s", "--image", IMAGE)
    readme, plain = (outside / "README.md").read_text(), (outside / "plain/production.yaml").read_text()

    assert f"  Next  sandbox export k8s '{outside}' --image=churn={IMAGE}" in checked.out
    assert written["command"] == f"sandbox export k8s '{outside}' --image=churn={IMAGE}"
    assert "with `DIR` this folder, this writes the export again" in readme
    assert f"    sandbox export k8s DIR --image=churn={IMAGE}\n" in readme
    assert f": sandbox export k8s DIR --image=churn={IMAGE} --format plain --overlay production\n" in plain.splitlines(keepends=True)[0]
    assert str(project.parent) not in readme + plain
    sandbox("export", "k8s", "DIR", "--image", IMAGE)
    assert "in the project's folder, where that is, this writes the export again" in " ".join(
        (project / "DIR/README.md").read_text().split()
    )
    assert f"    sandbox export k8s sub/k8s --image=churn={IMAGE}\n" in (sub / "k8s/README.md").read_text()
