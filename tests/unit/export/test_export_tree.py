"""The folder of an export: whose files are whose."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlsandbox.actions.export_record import RECORD
from mlsandbox.actions.export_tree import TreePlan, plan_tree, refuse_beside
from mlsandbox.atomic import write_atomic
from mlsandbox.errors import ConfigInvalid, ExportFolderTaken, FolderLinked, StateTooNew
from mlsandbox.render.tree import RenderedFile

HEAD = "# Written by mlsandbox 0.1.0: sandbox export k8s\n"


def files(text: str = "one", *paths: str) -> list[RenderedFile]:
    """A tree whose files all say the same."""
    return [RenderedFile(path, f"{HEAD}{text}\n") for path in paths or ("base/a.yaml", "components/keda/k.yaml", "overlays/dev/o.yaml")]


def write(folder: Path, wanted: Sequence[RenderedFile]) -> TreePlan:
    """Plan and apply."""
    plan = plan_tree(folder, wanted, kind="k8s")
    plan.apply()
    return plan


def tree(folder: Path) -> dict[str, bytes]:
    """All files in the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def edit(folder: Path, path: str) -> None:
    """Change a file by hand."""
    with (folder / path).open("a", encoding="utf-8") as file:
        file.write("# mine\n")


def test_twice_the_same(tmp_path: Path) -> None:
    """A second export must find nothing to do and leave every byte as it is."""
    write(tmp_path / "k8s", files())
    first = tree(tmp_path / "k8s")
    second = write(tmp_path / "k8s", files())

    assert not second.differs
    assert tree(tmp_path / "k8s") == first
    assert len(first) == 4


def test_an_edited_overlay_is_kept(tmp_path: Path) -> None:
    """An overlay that was changed by hand must survive every export; one that was not must follow; neither may count as a difference."""
    write(tmp_path, files("one", "base/a.yaml", "overlays/dev/o.yaml", "overlays/staging/o.yaml"))
    edit(tmp_path, "overlays/dev/o.yaml")
    mine = (tmp_path / "overlays/dev/o.yaml").read_bytes()
    unchanged = plan_tree(tmp_path, files("one", "base/a.yaml", "overlays/dev/o.yaml", "overlays/staging/o.yaml"), kind="k8s")
    later = write(tmp_path, files("two", "base/a.yaml", "overlays/dev/o.yaml", "overlays/staging/o.yaml"))
    again = plan_tree(tmp_path, files("two", "base/a.yaml", "overlays/dev/o.yaml", "overlays/staging/o.yaml"), kind="k8s")

    assert (unchanged.kept, unchanged.differs) == (("overlays/dev/o.yaml",), False)
    assert later.kept == again.kept == ("overlays/dev/o.yaml",)
    assert (tmp_path / "overlays/dev/o.yaml").read_bytes() == mine
    assert (tmp_path / "overlays/staging/o.yaml").read_text().endswith("two\n")
    assert not again.differs


def test_an_overlay_that_was_changed_back_follows_again(tmp_path: Path) -> None:
    """An overlay whose change was undone must be written like one that was never changed."""
    write(tmp_path, files())
    before = (tmp_path / "overlays/dev/o.yaml").read_bytes()
    edit(tmp_path, "overlays/dev/o.yaml")
    write(tmp_path, files("two"))
    (tmp_path / "overlays/dev/o.yaml").write_bytes(before)
    plan = write(tmp_path, files("two"))

    assert [file.path for file in plan.write] == ["overlays/dev/o.yaml"]


def test_a_removed_file_of_an_overlay_is_written_anew(tmp_path: Path) -> None:
    """A file that is not in its overlay must be written."""
    write(tmp_path, files())
    (tmp_path / "overlays/dev/o.yaml").unlink()

    assert [file.path for file in write(tmp_path, files()).write] == ["overlays/dev/o.yaml"]


def test_a_removed_overlay_stays_removed(tmp_path: Path) -> None:
    """An overlay whose folder was removed must stay away and be no difference, through later exports, until its folder is there again."""
    paths = ("base/a.yaml", "overlays/dev/o.yaml", "overlays/mine/o.yaml")
    write(tmp_path, files("one", *paths))
    shutil.rmtree(tmp_path / "overlays/dev")
    first = plan_tree(tmp_path, files("one", *paths), kind="k8s")
    later = write(tmp_path, files("two", *paths, "overlays/dev/new.yaml"))
    again = plan_tree(tmp_path, files("two", *paths, "overlays/dev/new.yaml"), kind="k8s")

    assert (first.left_away, first.differs) == (("overlays/dev",), False)
    assert [file.path for file in later.write] == ["base/a.yaml", "overlays/mine/o.yaml"]
    assert not again.differs
    assert not (tmp_path / "overlays/dev").exists()
    (tmp_path / "overlays/dev").mkdir()
    assert len(write(tmp_path, files("two", *paths, "overlays/dev/new.yaml")).write) == 2


def test_a_folder_that_was_emptied_is_written_whole(tmp_path: Path) -> None:
    """Where everything but the record was removed, and where the first export was interrupted, overlays must be written."""
    write(tmp_path, files())
    shutil.rmtree(tmp_path / "overlays")
    assert [file.path for file in write(tmp_path, files()).write] == ["overlays/dev/o.yaml"]

    fresh = tmp_path / "fresh"
    plan = plan_tree(fresh, files("one", "overlays/dev/o.yaml", "overlays/staging/o.yaml/is-a-file"), kind="k8s")
    (fresh / "overlays/staging").mkdir(parents=True)
    (fresh / "overlays/staging/o.yaml").write_text("in the way")
    with pytest.raises(OSError, match=r"o\.yaml"):
        plan.apply()
    shutil.rmtree(fresh / "overlays/staging")
    assert [file.path for file in write(fresh, files("one", "overlays/staging/o.yaml/is-a-file")).write] == [
        "overlays/staging/o.yaml/is-a-file"
    ]


def test_an_edited_base_is_named_and_written_anew(tmp_path: Path) -> None:
    """Changes to base and components must be written over, and named so that they can be told before."""
    write(tmp_path, files())
    edit(tmp_path, "base/a.yaml")
    plan = write(tmp_path, files())

    assert plan.edited == ("base/a.yaml",)
    assert plan.differs
    assert "mine" not in (tmp_path / "base/a.yaml").read_text()


def test_what_is_no_part_of_it_any_more_goes(tmp_path: Path) -> None:
    """Files of an earlier export must go with their empty folders; files of the user in the same folders must stay."""
    write(tmp_path, files())
    (tmp_path / "base/mine.yaml").write_text("mine")
    plan = write(tmp_path, files("one", "base/a.yaml"))

    assert plan.remove == ("components/keda/k.yaml", "overlays/dev/o.yaml")
    assert sorted(tree(tmp_path)) == [RECORD, "base/a.yaml", "base/mine.yaml"]
    assert not (tmp_path / "components").exists()


def test_an_edited_overlay_is_not_removed(tmp_path: Path) -> None:
    """A changed overlay that is no part of the export any more must stay and be named; a changed component must go and be named."""
    write(tmp_path, files())
    edit(tmp_path, "overlays/dev/o.yaml")
    edit(tmp_path, "components/keda/k.yaml")
    plan = write(tmp_path, files("one", "base/a.yaml"))

    assert (plan.remove, plan.edited) == (("components/keda/k.yaml",), ("components/keda/k.yaml",))
    assert plan.kept == ("overlays/dev/o.yaml",)
    assert (tmp_path / "overlays/dev/o.yaml").exists()


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    """A folder with other files under our names must be refused, with nothing written; the same content, or our mark, is ours."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base/a.yaml").write_text("kind: Other\n")
    with pytest.raises(ExportFolderTaken) as error:
        plan_tree(tmp_path, files(), kind="k8s")
    assert error.value.details["files"] == ["base/a.yaml"]

    (tmp_path / "base/a.yaml").write_text(HEAD + "an older one\n")
    write(tmp_path, files())
    assert (tmp_path / "base/a.yaml").read_text() == HEAD + "one\n"


def test_links_and_folders_in_the_way(tmp_path: Path) -> None:
    """Nothing may be written through a link, into a file, or in place of a folder."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/base").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderLinked):
        plan_tree(tmp_path / "linked", files(), kind="k8s")

    (tmp_path / "file").write_text("")
    (tmp_path / "blocked/base/a.yaml").mkdir(parents=True)
    (tmp_path / "blunt").mkdir()
    (tmp_path / "blunt/base").write_text("")
    for name in ("file", "blocked", "blunt"):
        with pytest.raises(ExportFolderTaken):
            plan_tree(tmp_path / name, files(), kind="k8s")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_has_one_kind(tmp_path: Path) -> None:
    """An export of another kind into the same folder must be refused: it would remove what is there."""
    write(tmp_path, files())
    with pytest.raises(ExportFolderTaken) as error:
        plan_tree(tmp_path, files("one", "compose.yaml"), kind="compose")

    assert "sandbox export k8s" in error.value.why


@pytest.mark.parametrize("kind", ["k8s", "compose", "grafana", "prometheus"])
def test_the_way_out_is_an_export_of_the_same_kind(tmp_path: Path, kind: str) -> None:
    """Whatever is in the way, the command that is named must be of the kind that was asked for, and one shell word must be the folder."""
    root = tmp_path / "my exports"
    (root / "taken/base/a.yaml").mkdir(parents=True)
    (root / "linked").mkdir()
    (root / "linked/base").symlink_to(tmp_path)
    (root / "file").write_text("")
    (root / "strange/base").mkdir(parents=True)
    (root / "strange/base/a.yaml").write_text("kind: Other\n")
    plan_tree(root / "other", files(), kind="other").apply()
    for name in ("taken", "linked", "file", "strange", "other"):
        with pytest.raises((ExportFolderTaken, FolderLinked)) as error:
            plan_tree(root / name, files(), kind=kind)
        words = shlex.split(error.value.fix.partition("choose another folder: ")[2].partition("   or ")[0])

        assert words[:3] == ["sandbox", "export", kind], error.value.fix
        assert len(words) == 4
        assert words[3].startswith(f"{root / name}-")


def test_two_ways_beside_each_other(tmp_path: Path) -> None:
    """What another way to write the same kind has put there must stay, and stay known."""
    write(tmp_path, files())
    plan = plan_tree(tmp_path, files("all", "plain/dev.yaml"), kind="k8s", covers=lambda path: path.startswith("plain/"))
    plan.apply()
    back = plan_tree(tmp_path, files(), kind="k8s", covers=lambda path: not path.startswith("plain/"))

    assert plan.remove == ()
    assert not back.differs
    assert (tmp_path / "plain/dev.yaml").exists()


@pytest.mark.parametrize("steps", range(5))
def test_interrupted_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """An export that ends anywhere and is repeated must come to the same, without taking its own files for changed ones."""
    write(tmp_path / "whole", files("two", "base/a.yaml", "overlays/dev/o.yaml"))
    folder = tmp_path / "k8s"
    write(folder, files())
    left = iter(range(steps))

    def dies(path: Path, content: str | bytes, **options: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write_atomic(path, content, **options)  # type: ignore[arg-type] # those that it has

    with monkeypatch.context() as patched:
        patched.setattr("mlsandbox.actions.export_tree.write_atomic", dies)
        patched.setattr("mlsandbox.actions.export_record.write_atomic", dies)
        plan = plan_tree(folder, files("two", "base/a.yaml", "overlays/dev/o.yaml"), kind="k8s")
        try:
            plan.apply()
        except KeyboardInterrupt:
            assert steps < 4
    other = plan_tree(folder, files("three"), kind="k8s")
    again = write(folder, files("two", "base/a.yaml", "overlays/dev/o.yaml"))

    assert other.kept == other.edited == again.kept == again.edited == ()
    assert tree(folder) == tree(tmp_path / "whole")


def test_leftovers_of_a_killed_export(tmp_path: Path) -> None:
    """What a killed export was writing must go with the next one; what a living one is writing must stay."""
    write(tmp_path, files())
    dead, living = tmp_path / "base/.a.yaml.4194305.tmp", tmp_path / f"base/.a.yaml.{os.getppid()}.tmp"
    dead.touch()
    living.touch()
    write(tmp_path, files("two"))

    assert (dead.exists(), living.exists()) == (False, True)


def test_a_record_of_a_later_version(tmp_path: Path) -> None:
    """A folder that a later version has written must be left as it is, with the ways out."""
    write(tmp_path, files())
    record = tmp_path / RECORD
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 2}))
    before = tree(tmp_path)
    with pytest.raises(StateTooNew, match="a later version") as error:
        write(tmp_path, files("two"))

    assert f"sandbox export k8s {tmp_path}-new" in error.value.fix
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        '{"files": 1}',
        '{"kind": "k8s", "files": {"base/a.yaml": 5}}',
        '<<<<<<< HEAD\n{"kind": "k8s"}\n=======\n{}\n>>>>>>> b\n',
    ],
)
def test_a_damaged_record(tmp_path: Path, record: str) -> None:
    """Without its record nobody knows what was changed by hand: the export must be refused, with nothing written, and the ways out."""
    folder = tmp_path / "my exports"
    write(folder, files())
    edit(folder, "base/a.yaml")
    (folder / RECORD).write_text(record)
    before = tree(folder)
    with pytest.raises(ConfigInvalid) as error:
        write(folder, files("two"))

    assert RECORD in error.value.what
    assert f"git -C '{folder}' checkout --ours {RECORD}" in error.value.fix
    assert f"rm '{folder / RECORD}'" in error.value.fix
    assert tree(folder) == before


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no text, and a folder in the place of the record, must be refused, too."""
    write(tmp_path, files())
    (tmp_path / RECORD).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid):
        write(tmp_path, files("two"))
    (tmp_path / RECORD).unlink()
    (tmp_path / RECORD).mkdir()
    with pytest.raises(ExportFolderTaken):
        write(tmp_path, files("two"))


def test_a_record_that_names_files_elsewhere(tmp_path: Path) -> None:
    """No record may reach out of its folder."""
    write(tmp_path / "k8s", files())
    (tmp_path / "x").write_text("mine")
    record = {"kind": "k8s", "files": {"../x": ["sha256:0"], str(tmp_path / "x"): ["sha256:0"]}}
    (tmp_path / "k8s" / RECORD).write_text(json.dumps(record))
    write(tmp_path / "k8s", files("two"))

    assert (tmp_path / "x").read_text() == "mine"
    assert sorted(json.loads((tmp_path / "k8s" / RECORD).read_text())["files"]) == [file.path for file in files()]


def test_a_plain_export_after_an_interrupted_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another way to write the same kind was interrupted in must stay known: its files are not changed by hand, and overlays due."""

    def dies(path: Path, content: str | bytes, **options: object) -> None:
        if path.name == "o.yaml" and path.parent.name == "staging":
            raise KeyboardInterrupt
        write_atomic(path, content, **options)  # type: ignore[arg-type] # those that it has

    paths = ("base/a.yaml", "overlays/dev/o.yaml", "overlays/staging/o.yaml")
    write(tmp_path, files("one", *paths[:2]))
    with monkeypatch.context() as patched:
        patched.setattr("mlsandbox.actions.export_tree.write_atomic", dies)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, files("two", *paths))
    (tmp_path / "base/a.yaml").write_bytes(files("one")[0].data)  # as if it had not been reached
    plan_tree(tmp_path, files("all", "plain/dev.yaml"), kind="k8s", covers=lambda path: path.startswith("plain/")).apply()
    again = plan_tree(tmp_path, files("three", *paths), kind="k8s", covers=lambda path: not path.startswith("plain/"))

    assert again.kept == again.edited == again.left_away == ()
    assert sorted(file.path for file in again.write) == sorted(paths)
    again.apply()
    assert "writing" not in json.loads((tmp_path / RECORD).read_text())


@pytest.mark.parametrize("text", ["[1]", '{"speed": 3}', "speed: 3\n"])
def test_a_file_beside_that_is_somebody_elses(tmp_path: Path, text: str) -> None:
    """A file that is none of ours must not be replaced, nor one be put into the folder of another export."""
    (tmp_path / "measured.json").write_text(text)
    with pytest.raises(ExportFolderTaken, match=r"measured\.json"):
        refuse_beside(tmp_path, "measured.json", ("schema", "models"), kind="k8s")
    plan_tree(tmp_path / "other", files(), kind="compose").apply()
    with pytest.raises(ExportFolderTaken, match="another kind"):
        refuse_beside(tmp_path / "other", "measured.json", ("schema", "models"), kind="k8s")


def test_a_file_beside_that_is_ours(tmp_path: Path) -> None:
    """One that is ours may be replaced, also when it is damaged; it need not be there."""
    refuse_beside(tmp_path / "new", "measured.json", ("schema", "models"), kind="k8s")
    (tmp_path / "measured.json").write_text('{"schema": 1, "models": {}}')
    refuse_beside(tmp_path, "measured.json", ("schema", "models"), kind="k8s")
    write(tmp_path, files())
    (tmp_path / "measured.json").write_text("<<<<<<< HEAD\n{")
    refuse_beside(tmp_path, "measured.json", ("schema", "models"), kind="k8s")
