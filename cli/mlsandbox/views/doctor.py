"""Text of what doctor found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsandbox.doctor import Finding, Report, Verdict
from mlsandbox.output import Paint

_SYMBOLS: Final = {Verdict.OK: "✓", Verdict.INFO: "·", Verdict.WARNING: "!", Verdict.PROBLEM: "✗", Verdict.FIXED: "✓"}


def doctor_text(report: Report, paint: Paint) -> str:
    """Findings by group, each problem with its remedy, and the verdict last."""
    lines: list[str] = []
    for group in dict.fromkeys(finding.group for finding in report.findings):
        lines += [paint.strong(group), *(line for each in report.findings if each.group == group for line in _lines(each, paint)), ""]
    warnings = sum(finding.verdict is Verdict.WARNING for finding in report.findings)
    lines.append(", ".join(filter(None, (_count(report.problems, "problem") or "no problems", _count(warnings, "warning")))))
    return "\n".join(lines)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _lines(finding: Finding, paint: Paint) -> Iterator[str]:
    colour = {Verdict.OK: paint.good, Verdict.FIXED: paint.good, Verdict.WARNING: paint.warn, Verdict.PROBLEM: paint.bad}.get(
        finding.verdict, paint.dim
    )
    yield f"  {colour(f'{_SYMBOLS[finding.verdict]} {finding.verdict:<8}')} {finding.check:<13} {finding.message}"
    if finding.remedy:
        yield f"  {'':<24} {paint.hint(finding.remedy)}"
