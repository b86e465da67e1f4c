"""One export at a time into a folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlsandbox.actions.eject import eject
from mlsandbox.actions.export_ejected import Part
from mlsandbox.actions.export_k8s import export_k8s
from mlsandbox.actions.export_lock import alone_in
from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import Delivery
from mlsandbox.errors import ImageMissing
from mlsandbox.file_lock import exclusive_folder
from mlsandbox.project import Project, load_project
from mlsandbox.render.tree import RenderedFile
from support.exported import image


class Waiting:
    """A report; what is to happen elsewhere meanwhile happens when it is told of waiting."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.notes: list[str] = []
        self._meanwhile = meanwhile

    def step(self, text: str) -> None:
        """Nothing is shown."""

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:
        """Nothing is shown."""

    def warn(self, text: str) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Somebody else ends now."""
        self.notes.append(text)
        self._meanwhile()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One that was never up."""
    (tmp_path / "sandbox.toml").write_text('name = "shop"\n[models.churn]\npath = "churn.joblib"\n')
    return load_project(tmp_path)


OPTIONS = ExportOptions(images=(f"churn={image('churn')}",))


def test_the_second_export_waits_and_sees_what_the_first_has_left(project: Project) -> None:
    """What lies in the folder must be looked at only when nobody else writes there, and that somebody does must be said."""
    folder = project.root / "k8s"
    export_k8s(project, OPTIONS, Delivery(folder), Waiting())
    with ExitStack() as other:
        assert other.enter_context(exclusive_folder(folder))

        def ends() -> None:
            with (folder / "overlays/dev/kustomization.yaml").open("a") as file:
                file.write("# mine\n")
            other.close()

        report = Waiting(ends)
        result = export_k8s(project, OPTIONS, Delivery(folder), report)

    assert result.kept == ("overlays/dev/kustomization.yaml",)
    assert report.notes == [f"another export is writing into {folder}; waiting for its end"]


def test_exports_of_parts_wait_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of export must wait for another one into the same folder."""
    part = Part("grafana", (RenderedFile("a.yaml", "a: 1\n"),))
    monkeypatch.setattr("mlsandbox.actions.eject.PARTS", {"grafana": lambda *_: part})
    folder = project.root / "grafana"
    folder.mkdir()
    with ExitStack() as other:
        other.enter_context(exclusive_folder(folder))
        report = Waiting(other.close)
        eject(project, "grafana", ExportOptions(), Delivery(folder), report)

    assert any("another export" in note for note in report.notes)


def test_who_writes_nothing_waits_for_nobody(project: Project) -> None:
    """A check and a dry run must not wait."""
    folder = project.root / "k8s"
    export_k8s(project, OPTIONS, Delivery(folder), Waiting())
    with exclusive_folder(folder):
        for delivery in (Delivery(folder, check=True), Delivery(folder, dry_run=True)):
            assert not export_k8s(project, OPTIONS, delivery, Waiting()).differs


def test_the_lock_leaves_nothing(project: Project) -> None:
    """Neither a file in the folder, nor a folder for an export that was refused, may be left."""
    folder = project.root / "exports/deep/k8s"
    with pytest.raises(ImageMissing):
        export_k8s(project, ExportOptions(), Delivery(folder), Waiting())
    assert [path.name for path in project.root.iterdir()] == ["sandbox.toml"]

    result = export_k8s(project, OPTIONS, Delivery(folder), Waiting())
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {*result.written, ".mlsandbox.json"}


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    """One that another export had made, and removed since it wrote nothing, must not be taken for the folder that is there."""
    folder = tmp_path / "k8s"
    folder.mkdir()
    with ExitStack() as other:
        other.enter_context(exclusive_folder(folder))

        def ends() -> None:
            folder.rmdir()
            other.close()

        with alone_in(folder, "k8s", Waiting(ends)), pytest.raises(BrokenPipeError), exclusive_folder(folder, waiting=_refuse):
            pytest.fail("nobody holds the folder that is there")


def _refuse() -> None:
    raise BrokenPipeError


def test_a_folder_that_is_not_there_is_not_held(tmp_path: Path) -> None:
    """Whoever asks for the lock of no folder must be told."""
    with exclusive_folder(tmp_path / "none") as held:
        assert not held
