"""Links and the index of decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.repository import ROOT, read, tracked

LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(?P<title>.+)$", re.MULTILINE)
PAGES = tracked("*.md")
DECISIONS = [name for name in tracked("docs/adr/*.md") if not name.endswith("README.md")]
PARTS = ("## Context", "## Decision", "## Consequences")


def _anchors(page: Path) -> set[str]:
    titles = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    """A link from one page of the repository to a file or heading must lead somewhere."""
    broken = []
    for target in LINK.findall(read(page) or ""):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        path = (ROOT / page).parent / file if file else ROOT / page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
            broken.append(target)

    assert broken == []


def test_named_files_exist() -> None:
    """Each file that the architecture page names in code style must exist."""
    named = re.findall(r"`((?:cli|services|tests|tools|bench|docs|examples)/[\w./-]+)`", read("docs/architecture.md") or "")

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_packages_have_owners() -> None:
    """Each package of the host tool must be named, itself or by a file in it, in the table that says who owns what."""
    owners = (read("docs/architecture.md") or "").partition("## Who owns what")[2].partition("\n## ")[0]
    folders = [name.removesuffix("__init__.py") for name in tracked("cli/mlsandbox/*/__init__.py")]

    assert "cli/mlsandbox/render/kubernetes/" in folders
    assert [name for name in folders if f"`{name}" not in owners] == []


def test_decisions_are_indexed() -> None:
    """Each decision must be in the index, numbered without a gap, with its context and consequences."""
    index = read("docs/adr/README.md") or ""
    numbers = [int(Path(name).name[:4]) for name in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))
    assert [name for name in DECISIONS if Path(name).name not in index] == []
    assert [name for name in DECISIONS if not all(part in (read(name) or "") for part in PARTS)] == []
