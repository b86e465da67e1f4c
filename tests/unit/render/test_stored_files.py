"""Files of packages and of the project among a service's configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.compose import container_digests, render_compose
from mlsandbox.render.containers import ContainerPlaces, render_container_config
from mlsandbox.render.processes import Places, render_config, render_processes
from mlsandbox.render.tree import RenderedFile, write_tree
from mlsandbox.stack.spec import ConfigPath, Environment, PackagedFile, ProjectFile, ServiceEnvironment, ServiceSpec, StackSpec

NOT_TEXT = b"PK\x03\x04\xff\xfe\x00\r\n"
WATCH = ServiceEnvironment("watch")
SERVICE = ServiceSpec(
    name="watch",
    environment=WATCH,
    args=("-m", "watch"),
    env={"FOLDER": ConfigPath("of/churn")},
    files={
        "of/churn/rows.npz": PackagedFile("churn:v3", "src/package/rows.npz"),
        "of/fraud/rows.npz": ProjectFile("fraud/baseline/rows.npz"),
    },
)
SPEC = StackSpec("demo", "127.0.0.1", (SERVICE,))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a package and a file of its own."""
    for folder in ("bento/src/package", "fraud/baseline"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bento/src/package/rows.npz").write_bytes(NOT_TEXT)
    (tmp_path / "fraud/baseline/rows.npz").write_bytes(b"\x00" + NOT_TEXT)
    return tmp_path


def _processes(project: Path) -> Places:
    return Places(project / ".sandbox", {WATCH: Path("/python")}, {"churn:v3": project / "bento"}, {}, Path("/served"))


def _containers(project: Path) -> ContainerPlaces:
    images: dict[Environment, ImageRef] = {WATCH: ImageRef("watch:1", "sha256:1")}
    return ContainerPlaces(project, images, "0123", 1000, {}, packages={"churn:v3": project / "bento"})


def _rendered(project: Path) -> list[tuple[RenderedFile, ...]]:
    return [render_config(SPEC, _processes(project)), render_container_config(SPEC, _containers(project))]


def test_every_byte_is_kept(project: Path) -> None:
    """Both ways to run a stack must give its services the very bytes, readable for the user of a container."""
    for number, config in enumerate(_rendered(project)):
        write_tree(project / str(number), config)

        first, second = (project / str(number) / "config/watch/of" / name / "rows.npz" for name in ("churn", "fraud"))
        assert first.read_bytes() == NOT_TEXT
        assert second.read_bytes() == b"\x00" + NOT_TEXT
        assert first.stat().st_mode & 0o777 == 0o644


def test_the_service_is_told_where_they_lie(project: Path) -> None:
    """A path of its configuration must be the folder of the file, on this machine and in a container."""
    config, inside = _rendered(project)
    (process,) = render_processes(SPEC, _processes(project), {}, config)
    compose = render_compose(SPEC, _containers(project), inside).text

    assert process.env["FOLDER"] == str(project / ".sandbox/stack/config/watch/of/churn")
    assert "FOLDER: /etc/sandbox/of/churn" in compose
    assert "target: /etc/sandbox" in compose


@pytest.mark.parametrize("changed", ["bento/src/package/rows.npz", "fraud/baseline/rows.npz"])
def test_a_changed_file_makes_the_service_another(project: Path, changed: str) -> None:
    """Other bytes must restart the service that reads them, as any other configuration does."""
    before = _digests(project)
    (project / changed).write_bytes(NOT_TEXT + b"more")

    after = _digests(project)
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False]


def test_written_files_are_left_alone(project: Path) -> None:
    """A file that is as it should be must not be written again, and one that was changed must."""
    (config, _) = _rendered(project)
    root = project / "tree"
    write_tree(root, config)
    kept, spoilt = root / "config/watch/of/churn/rows.npz", root / "config/watch/of/fraud/rows.npz"
    inode = kept.stat().st_ino
    spoilt.write_bytes(b"\xff")

    write_tree(root, config)

    assert kept.stat().st_ino == inode
    assert spoilt.read_bytes() == b"\x00" + NOT_TEXT


def test_a_file_that_is_gone_is_an_error(project: Path) -> None:
    """A stack must not be rendered without a file that one of its services needs."""
    (project / "fraud/baseline/rows.npz").unlink()

    with pytest.raises(FileNotFoundError):
        render_config(SPEC, _processes(project))


def test_they_are_no_values() -> None:
    """What refers to folders and secrets must not be looked for in stored files."""
    assert [each for each in replace(SERVICE, args=(), env={}).references() if each] == []


def _digests(project: Path) -> list[object]:
    config, inside = _rendered(project)
    (process,) = render_processes(SPEC, _processes(project), {}, config)
    return [process.env["SANDBOX_CONFIG_DIGEST"], container_digests(SPEC, _containers(project), inside)["watch"]]
