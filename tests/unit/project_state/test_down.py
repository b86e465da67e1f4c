"""What `down` keeps and removes, beside the project's folder too."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import pytest

from mlsandbox.actions.down import down, down_all
from mlsandbox.actions.ls import ls
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Keeping, Kept, Observed
from mlsandbox.errors import EngineUnavailable, UsageError
from mlsandbox.output import Output
from mlsandbox.progress import QuietReport
from mlsandbox.registry import Entry, Registry
from mlsandbox.stack.ports import this_machine
from support.fake_engine import FakeEngine
from support.toys import desired, toy

VOLUME, IMAGE = Kept(Keeping.VOLUME, "churn_data"), Kept(Keeping.IMAGE, "churn/model:v1", 1000)


class KeepingEngine(FakeEngine):
    """Has a volume, and an image that something else uses."""

    name: ClassVar[str] = "keeping"
    things: tuple[Kept, ...] = (VOLUME, IMAGE)

    def kept(self) -> tuple[Kept, ...]:
        return self.things

    def remove_kept(self, only: Collection[Kept] | None = None) -> tuple[Kept, ...]:
        del only
        KeepingEngine.things = (IMAGE,)
        return (VOLUME,)


class SilentEngine(FakeEngine):
    """Does not answer."""

    name: ClassVar[str] = "silent"

    def observe(self, *, memory: bool = False) -> Observed:  # noqa: ARG002 - as engines have it
        raise EngineUnavailable("Docker does not answer", why="refused", fix="start it")

    def kept(self) -> tuple[Kept, ...]:
        raise EngineUnavailable("Docker does not answer", why="refused", fix="start it")


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both engines instead of Docker, and a registry of the test's own."""
    monkeypatch.delitem(ENGINES, "docker")
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setitem(ENGINES, "keeping", KeepingEngine)
    monkeypatch.setitem(ENGINES, "silent", SilentEngine)
    monkeypatch.setattr(KeepingEngine, "things", (VOLUME, IMAGE))


def _project(root: Path, engine: str) -> Path:
    sandbox = root / ".sandbox"
    (sandbox / "logs").mkdir(parents=True)
    (sandbox / "logs" / "api-v1.log").write_text("hello\n")
    (sandbox / ".gitignore").write_text("*\n")
    (sandbox / "state.json").write_text(json.dumps({"schema_version": 1, "engine": engine}))
    return root


def _tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _report() -> QuietReport:
    return QuietReport(Output())


def test_what_is_kept_is_listed(tmp_path: Path) -> None:
    """`down` must name what it leaves in the folder and outside of it, and remove nothing."""
    result = down(_project(tmp_path / "p", "keeping"), "churn", _report())

    assert (dict(result.kept), result.kept_outside) == ({"service output": 6}, (VOLUME, IMAGE))
    assert (result.removed, result.removed_outside) == ((), ())


def test_volumes_removes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--volumes must remove the folder and what the engine keeps, and warn of what something else uses."""
    root = _project(tmp_path / "p", "keeping")

    result = down(root, "churn", _report(), volumes=True)

    assert result.removed == (".gitignore", "logs", "state.json")
    assert (result.removed_outside, result.kept_outside) == ((VOLUME,), (IMAGE,))
    assert list(root.iterdir()) == []
    assert "churn/model:v1" in capsys.readouterr().err


def test_what_an_engine_of_before_keeps_is_removed_too(tmp_path: Path) -> None:
    """--volumes must also remove what another engine has of the project's stack; one that does not answer is no hindrance."""
    result = down(_project(tmp_path / "p", "embedded"), "churn", _report(), volumes=True)

    assert (result.removed_outside, result.kept_outside) == ((VOLUME,), (IMAGE,))


def test_what_another_engine_still_runs_is_stopped(tmp_path: Path) -> None:
    """A stack that was left as it was, because its engine did not answer when the project moved to another, must go with `down`."""
    root = _project(tmp_path / "p", "embedded")
    left = KeepingEngine(root)
    left.apply(left.plan(desired(toy("api-v1", 7310)), left.observe()), lambda _: None, timeout=1)

    planned = down(root, "churn", _report(), dry_run=True)
    assert (planned.stopped, left.observe().running) == (("api-v1",), True)

    assert down(root, "churn", _report()).stopped == ("api-v1",)
    assert not left.observe().running


def test_a_stack_whose_engine_does_not_answer_is_listed(tmp_path: Path) -> None:
    """`ls` must list all stacks, whatever can be said of one of them."""
    root = _project(tmp_path / "p", "silent")
    Registry().reserve(Entry("churn", str(root), "silent", "127.0.0.1", {}), (), pinned={}, running={}, machine=this_machine())

    assert [(each.name, each.engine, each.state) for each in ls().stacks] == [("churn", "silent", "unknown")]


def test_a_dry_run_lists_what_would_be_removed(tmp_path: Path) -> None:
    """--dry-run must name exactly what would go, and touch nothing."""
    root = _project(tmp_path / "p", "keeping")
    before = _tree(root)

    result = down(root, "churn", _report(), volumes=True, dry_run=True)

    assert (result.removed, result.removed_outside) == ((".gitignore", "logs", "state.json"), (VOLUME, IMAGE))
    assert down(root, "churn", _report(), dry_run=True).kept_outside == (VOLUME, IMAGE)
    assert _tree(root) == before


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_engine_that_does_not_answer_leaves_all(tmp_path: Path, *, dry_run: bool) -> None:
    """Nothing may be half done: the error must say so and what to do, and the project be as it was."""
    root = _project(tmp_path / "p", "silent")
    before = _tree(root)

    with pytest.raises(EngineUnavailable, match="nothing of churn was stopped or removed") as caught:
        down(root, "churn", _report(), volumes=True, dry_run=dry_run)

    assert "sandbox down" in caught.value.fix
    after = _tree(root)
    after.pop(".sandbox/lock", None)
    assert after == before


def test_all_goes_on_without_the_one_that_fails(tmp_path: Path) -> None:
    """`down --all` must stop every other stack, and end with the error."""
    for name, engine in (("a", "silent"), ("b", "keeping")):
        root = _project(tmp_path / name, engine)
        Registry().reserve(Entry(name, str(root), engine, "127.0.0.1", {}), (), pinned={}, running={}, machine=this_machine())

    with pytest.raises(EngineUnavailable):
        down_all(_report(), volumes=True)

    assert list((tmp_path / "b").iterdir()) == []
    assert (tmp_path / "a" / ".sandbox" / "state.json").exists()


def test_data_is_not_removed_of_one_service(tmp_path: Path) -> None:
    """Naming services and --volumes together must be refused: the others would lose theirs while they run."""
    with pytest.raises(UsageError, match="whole stack"):
        down(_project(tmp_path / "p", "keeping"), "churn", _report(), services=("api",), volumes=True)


def test_a_front_stands_for_the_versions_behind_it(tmp_path: Path) -> None:
    """`down api` must stop every version of that model and nothing else; a version's own name stops that one alone."""
    root = _project(tmp_path / "p", "keeping")
    engine = KeepingEngine(root)
    toys = [toy(name, 7310 + number) for number, name in enumerate(("shipper", "api-v1", "api-v2", "api-wine-v1"))]
    engine.apply(engine.plan(desired(*toys), engine.observe()), lambda _: None, timeout=1)

    assert down(root, "churn", _report(), services=("api",), dry_run=True).stopped == ("api-v1", "api-v2")
    assert down(root, "churn", _report(), services=("api-v2",)).stopped == ("api-v2",)
    assert down(root, "churn", _report(), services=("api", "api-wine-v1")).stopped == ("api-v1", "api-wine-v1")
    assert [each.name for each in engine.observe().services] == ["shipper"]
    with pytest.raises(UsageError, match="no service api is running"):
        down(root, "churn", _report(), services=("api",))
