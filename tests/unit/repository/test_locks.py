"""The locks of the development environment."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.repository import read, tracked

PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[[\w,-]+\])?==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>[^\\]+?))?\s*\\?$")
LOCKS = tracked("requirements/*.txt")
APART = ("clients", "manifests")
"""Groups that have an environment of their own."""


def _pins(lock: str) -> set[tuple[str, str, str]]:
    found = [PIN.match(line) for line in (read(lock) or "").splitlines() if line and not line.startswith((" ", "#"))]
    return {(pin["name"], pin["version"], pin["marker"] or "") for pin in found if pin}


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_has_a_hash(lock: str) -> None:
    """A lock must hold pins and their hashes, and nothing else: no address, no option."""
    lines = (read(lock) or "").splitlines()
    strange = [line for line in lines if not PIN.match(line) and not re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line)]

    assert strange == []
    assert all(after.startswith("    --hash=") for line, after in zip(lines, [*lines[1:], ""], strict=True) if PIN.match(line))


@pytest.mark.parametrize("lock", ["requirements/demo.txt", "requirements/uv.txt"])
def test_locks_agree(lock: str) -> None:
    """Each smaller lock must be a part of the big one, so that going from one to the other moves no version."""
    assert {pin[:2] for pin in _pins(lock)} <= {pin[:2] for pin in _pins("requirements/test.txt")}


def test_locks_hold_what_is_asked_for() -> None:
    """Each dependency and each group of pyproject.toml must be in the lock that installs it."""
    document = tomllib.loads(read("pyproject.toml") or "")
    groups = document["dependency-groups"]
    demo = [*document["project"]["dependencies"], *groups["installer"], *groups["build"], *groups["example"]]
    everything = [*demo, *(entry for name, group in groups.items() if name not in {"torch", *APART} for entry in group)]

    assert _names(demo) - {pin[0] for pin in _pins("requirements/demo.txt")} == set()
    for name in APART:
        assert _names(groups[name]) - {pin[0] for pin in _pins(f"requirements/{name}.txt")} == set()
    assert _names(everything) - {pin[0] for pin in _pins("requirements/test.txt")} == set()


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~;\[ ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}
