"""A `.sandbox` that came with a repository must not lead anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.actions.down import down
from mlsandbox.errors import FolderLinked
from mlsandbox.output import Output
from mlsandbox.progress import QuietReport
from mlsandbox.project_lock import project_lock
from mlsandbox.state import State, make_sandbox_folder, save_state


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's, with a file that must survive."""
    folder = tmp_path / "outside"
    (folder / "data").mkdir(parents=True)
    (folder / "lock").write_text("precious")
    (folder / "data" / "file").write_text("precious")
    yield folder
    assert (folder / "lock").read_text() == (folder / "data" / "file").read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "lock"]


RULES = ".sandbox/stack/config/prometheus/rules"
LINKS = [".sandbox", ".sandbox/data", ".sandbox/logs/api.log", ".sandbox/lock", ".sandbox/bentoml/bentos/churn", RULES]


def linked(root: Path, name: str, outside: Path) -> None:
    """Put a link to the outside at `name`."""
    target = {"lock": outside / "lock", "api.log": outside / "lock"}.get(Path(name).name, outside)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(target)


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_removed_through_a_link(name: str, outside: Path, tmp_path: Path) -> None:
    """`down --volumes` must refuse a linked `.sandbox` and whatever is linked in it, and name the link."""
    linked(tmp_path, name, outside)

    with pytest.raises(FolderLinked) as refusal:
        down(tmp_path, "churn", QuietReport(Output(environ={})), volumes=True)

    assert name in str(refusal.value)


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link(name: str, outside: Path, tmp_path: Path) -> None:
    """Neither the lock nor the state may be written through a link."""
    linked(tmp_path, name, outside)

    with pytest.raises(FolderLinked):
        save_state(tmp_path / ".sandbox", State())
    with pytest.raises(FolderLinked), project_lock(tmp_path / ".sandbox", "sandbox up"):
        pass


def test_the_folder_is_its_owners(tmp_path: Path) -> None:
    """Logs, events and golden rows are nobody else's: a new `.sandbox` must be closed to others."""
    make_sandbox_folder(tmp_path / "new" / ".sandbox")

    assert (tmp_path / "new" / ".sandbox").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_came_open_is_closed_to_strangers(tmp_path: Path) -> None:
    """A `.sandbox` that a repository brought must be closed to everybody, but for a group that its owner let in."""
    sandbox = tmp_path / ".sandbox"
    sandbox.mkdir()
    sandbox.chmod(0o755)

    make_sandbox_folder(sandbox)

    assert sandbox.stat().st_mode & 0o777 == 0o750
