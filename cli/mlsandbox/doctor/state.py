"""What a project remembers, and processes that an earlier stack left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlsandbox.doctor.base import Examined, Finding, Verdict, project
from mlsandbox.engines import ENGINES
from mlsandbox.errors import SandboxError
from mlsandbox.state import load_state, set_aside
from mlsandbox.supervise.control import supervisor_pid
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.sweep import marked


class StateCheck:
    """state.json can be read, and nothing runs that no supervisor knows of."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        if examined.root is None or not (examined.root / ".sandbox").is_dir():
            return
        yield _remembered(examined.root / ".sandbox", fix=examined.fix)
        yield from _left_over(examined.root, fix=examined.fix)


def _remembered(sandbox: Path, *, fix: bool) -> Finding:
    path = sandbox / "state.json"
    try:
        problem = load_state(sandbox).problem
    except SandboxError as error:
        return project("state", Verdict.PROBLEM, error.what, error.fix)
    if problem and fix:
        return project("state", Verdict.FIXED, f"{path} could not be read and was moved to {set_aside(sandbox)}")
    if problem:
        return project("state", Verdict.PROBLEM, f"{path} cannot be read: {problem}", "sandbox doctor --fix")
    return project("state", Verdict.OK, f"{path} is readable" if path.exists() else "nothing is remembered yet")


def _left_over(root: Path, *, fix: bool) -> Iterator[Finding]:
    folder = Folder(root / ".sandbox")
    if supervisor_pid(folder) is not None:
        yield project("processes", Verdict.OK, "the stack's supervisor is running")
        return
    found = [swept for _, swept in marked(folder.project)]
    if not found:
        yield project("processes", Verdict.OK, "nothing was left behind by an earlier stack")
        return
    names = ", ".join(f"{each.service or 'process'} (pid {each.pid})" for each in found)
    if fix:
        engine = ENGINES["embedded"](root)
        engine.apply(engine.plan_stop(None, engine.observe()), lambda _change: None, timeout=30)
        yield project("processes", Verdict.FIXED, f"left behind by an earlier stack and ended: {names}")
    else:
        yield project("processes", Verdict.PROBLEM, f"left behind by an earlier stack: {names}", "sandbox doctor --fix")
