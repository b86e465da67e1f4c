"""What judges exported manifests: the schemas of Kubernetes, and checkov, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.locked_environment import locked_python
from support.manifests import Manifest

_STRICT = Path(__file__).parent / "judges" / "strict.py"


@dataclass(frozen=True)
class Strict:
    """What the schemas say."""

    versions: tuple[str, ...]
    """Of Kubernetes."""
    checked: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """What checkov says."""

    passed: int
    failed: tuple[str, ...]
    skipped: tuple[str, ...]


def judges_python() -> Path:
    """The interpreter of their environment."""
    return locked_python("manifests", name="what judges manifests", imports=("checkov", "kubernetes_validate"))


def strict(python: Path, documents: list[Manifest], *, oldest: str = "1.29") -> Strict:
    """Every document against every version's schema from `oldest` on, unknown fields refused."""
    asked = json.dumps({"documents": documents, "oldest": oldest})
    said = subprocess.run([python, _STRICT], input=asked, capture_output=True, text=True, timeout=300, check=True)
    answer = json.loads(said.stdout)
    return Strict(tuple(answer["versions"]), answer["checked"], tuple(answer["faults"]))


def checkov(python: Path, folder: Path) -> Checked:
    """All of checkov's rules for Kubernetes on the files of a folder."""
    options = ("--framework", "kubernetes", "--output", "json", "--compact", "--skip-download")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "CKV_", "PRISMA_"))}
    said = subprocess.run(
        [python, "-m", "checkov.main", "--directory", folder, *options], capture_output=True, text=True, timeout=600, env=kept, check=False
    )
    assert said.returncode in {0, 1}, said.stderr
    answer = json.loads(said.stdout)
    results, summary = answer["results"], answer["summary"]

    def told(kind: str) -> tuple[str, ...]:
        return tuple(sorted(f"{each['check_id']} {each['file_path']} {each['resource']}" for each in results.get(kind, ())))

    assert summary["parsing_errors"] == 0, summary
    return Checked(summary["passed"], told("failed_checks"), told("skipped_checks"))
