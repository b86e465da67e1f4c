"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mlsandbox.project import Project


class Verdict(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    INFO = "info"
    """Worth knowing, nothing to do."""
    WARNING = "warning"
    """Works, and may not always."""
    PROBLEM = "problem"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    group: str
    """"machine" or "project"."""
    check: str
    verdict: Verdict
    message: str
    remedy: str | None = None
    """A command or a path; None when nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> int:
        """How many findings are problems."""
        return sum(finding.verdict is Verdict.PROBLEM for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Examined:
    """What is examined."""

    root: Path | None
    """The project's folder; None outside of projects."""
    fix: bool = False
    project: Project | None = None
    """When the caller has read sandbox.toml already."""


class Check(Protocol):
    """Looks at one thing."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        """Its findings; none when it does not apply. Never raises for what it finds."""
        ...


def machine(check: str, verdict: Verdict, message: str, remedy: str | None = None) -> Finding:
    """A finding about this machine."""
    return Finding("machine", check, verdict, message, remedy)


def project(check: str, verdict: Verdict, message: str, remedy: str | None = None) -> Finding:
    """A finding about the project."""
    return Finding("project", check, verdict, message, remedy)
