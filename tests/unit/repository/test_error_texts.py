"""Every error that a user can meet says what to do next."""

from __future__ import annotations

import ast
import re

from mlsandbox import errors
from support.repository import calls, syntax, tracked

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SandboxError)]
NAMES_A_STEP = re.compile(
    r"sandbox |kubectl |docker |\.(toml|txt|lock|json)\b|/|\\|--|`|pip |apt|brew|python|uv |mlsandbox\.save|=\[|@value@"
)


def _text(node: ast.expr) -> str:
    """Literal text of a string expression; values that are only known later become `@value@`."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "@value@"


def _fixes() -> list[tuple[str, str]]:
    made_by = {kind.__name__ for kind in KINDS} | {"__init__"}
    return [
        (f"{name}:{node.lineno}", _text(keyword.value))
        for name in tracked("cli/mlsandbox/*.py")
        for called, node in calls(name)
        for keyword in node.keywords
        if keyword.arg == "fix" and called.rpartition(".")[2] in made_by
    ]


def test_fixes_name_a_step() -> None:
    """The fix of each error must name a command or a path, never only wish the user luck."""
    vague = [(place, fix) for place, fix in _fixes() if not NAMES_A_STEP.search(fix)]

    assert vague == []
    assert len(_fixes()) > 10


def test_codes() -> None:
    """Each error class must have a stable code of its own, in capitals, and a documented exit code."""
    codes = [kind.code for kind in KINDS if kind is not errors.SandboxError]

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code) for code in codes)
    assert [kind.__name__ for kind in KINDS if not kind.__doc__ or kind.exit not in set(errors.Exit)] == []


def test_errors_in_one_place() -> None:
    """All error classes of the host tool must be in errors/."""
    names = {kind.__name__ for kind in KINDS}
    elsewhere = [
        f"{name}: {node.name}"
        for name in tracked("cli/mlsandbox/*.py")
        for node in ast.walk(syntax(name))
        if isinstance(node, ast.ClassDef) and names & {base.id for base in node.bases if isinstance(base, ast.Name)}
        if not name.startswith("cli/mlsandbox/errors/")
    ]

    assert elsewhere == []
