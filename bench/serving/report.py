"""The tables, in Markdown, and their place in a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import aims
from environments import SHARED, locked_version
from figures import latency, rate, ratio, spread
from measuring import Cell, Plan, Results, counted
from services import Service

BEGIN: Final = "<!-- what follows is written by bench/serving.py -->"
END: Final = "<!-- what bench/serving.py writes ends here -->"
NOTHING: Final = "-"
_VERSIONS: Final = {
    "bentoml": ("bentoml",),
    "fastapi": ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic"),
    "flask": ("flask", "gunicorn"),
    "mlserver": ("mlserver",),
    "litserve": ("litserve",),
    "mlflow": ("mlflow",),
}


def report(plan: Plan, results: Results, *, command: str, busy: float, note: str) -> str:
    """Everything that was measured.

    Args:
        plan: what was to be measured.
        results: what was found.
        command: that measured it.
        busy: the machine's load average before.
        note: of whoever measured, about the machine.
    """
    parts = [_measured(plan, results, command=command, busy=busy, note=note)]
    found = aims.outcomes(results)
    if found:
        lines = ["| what | aim | found | reached |", "|---|---|---|---|"]
        lines += [f"| {each.what} | {each.aim} | {each.found} | {'yes' if each.reached else '**no**'} |" for each in found]
        parts.append("\n".join(lines))
    for model, title in results.titles.items():
        parts.extend(f"{_heading(title, rows)}\n\n{_table(plan, results, model, rows)}" for rows in plan.rows)
    parts.append(
        f"Start is from the command to the first answer, memory the whole process tree's after the load (PSS):\n\n{_beside(plan, results)}"
    )
    if results.notes:
        parts.append("\n".join(["Not as planned:", "", *(f"- {each}" for each in results.notes)]))
    return "\n\n".join(parts)


def write(file: Path, text: str) -> None:
    """Put the text between the two markers of a page.

    Raises:
        SystemExit: the page has no such markers.
    """
    page = file.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} lacks the lines {BEGIN} and {END}, between which the table goes")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _measured(plan: Plan, results: Results, *, command: str, busy: float, note: str) -> str:
    spreads = [value for cell, by in results.loads.items() for name in by if (value := spread(results, cell, name)) is not None]
    noise = (
        f"one round differs from another by {median(spreads):.0%} of the median in the middle case"
        if spreads
        else "one round, so no spread"
    )
    locks = [service.name for service in plan.services if service.name in _VERSIONS]
    versions = [f"{library} {locked_version(lock, library)}" for lock in locks for library in _VERSIONS[lock]]
    shared = [f"{library} {locked_version('bentoml', library)}" for library in SHARED]
    pinned = "unpinned" if plan.placement.service is None else "the service on one core, load and sinks on the others"
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{command}` on {_machine()}; {pinned}. "
        f"{counted(plan.rounds, 'round')} of {plan.seconds:g} s each, longer where answers are slow. "
        f"Load average before: {busy:.1f}; {noise}{f'; {note}' if note else ''}. All with {', '.join(shared)}; {', '.join(versions)}."
    )


def _machine() -> str:
    cores = os.cpu_count()
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = {
            line.partition(":")[2].strip() for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")
        }
        name = " and ".join(sorted(models)) or name
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = platform.system()
    return f"{cores} cores ({name}), {system}, Python {platform.python_version()}"


def _heading(title: str, rows: int) -> str:
    return f"{title[0].upper()}{title[1:]}, {counted(rows, 'row')} in a request:"


def _table(plan: Plan, results: Results, model: str, rows: int) -> str:
    connections = plan.connections[rows]
    listed = " / ".join(map(str, connections))
    head = [f"requests/s, {listed} connection{'' if listed == '1' else 's'}", "spread", "to bare BentoML", "to FastAPI", "p50 ms", "p99 ms"]
    lines = [f"| | body | {' | '.join(head)} |", "|---|---" + "|---" * len(head) + "|"]
    for service in plan.services:
        for encoding in plan.encodings:
            cells = [Cell(model, rows, encoding, each) for each in connections]
            if any(rate(results, cell, service.name) is not None for cell in cells):
                lines.append(f"| {service.title} | {_body(encoding, model)} | {' | '.join(_line(results, service, cells))} |")
    return "\n".join(lines)


def _body(encoding: str, model: str) -> str:
    return "JSON" if encoding == "json" else "Arrow" if model == "census" else "npy"


def _line(results: Results, service: Service, cells: Sequence[Cell]) -> list[str]:
    name = service.name
    spreads = [value for cell in cells if (value := spread(results, cell, name)) is not None]
    return [
        _each(cells, lambda cell: rate(results, cell, name), _number),
        f"{max(spreads):.0%}" if spreads else NOTHING,
        _each(cells, lambda cell: ratio(results, cell, name, aims.BENTOML), _ratio),
        _each(cells, lambda cell: ratio(results, cell, name, aims.FASTAPI), _ratio),
        _each(cells, lambda cell: latency(results, cell, name, "p50"), _number),
        _each(cells, lambda cell: latency(results, cell, name, "p99"), _number),
    ]


def _each(cells: Sequence[Cell], value: Callable[[Cell], float | None], form: Callable[[float], str]) -> str:
    found = [value(cell) for cell in cells]
    return " / ".join(NOTHING if each is None else form(each) for each in found)


def _number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def _beside(plan: Plan, results: Results) -> str:
    models = list(results.titles)
    head = [f"{what}, {model}" for model in models for what in ("start", "memory")]
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for service in plan.services:
        cells = []
        for model in models:
            starts, used = results.starts[model, service.name], results.memory[model, service.name]
            cells += [f"{median(starts):.2f} s" if starts else NOTHING, f"{median(used):.0f} MB" if used else NOTHING]
        lines.append(f"| {service.title} | {' | '.join(cells)} |")
    return "\n".join(lines)
