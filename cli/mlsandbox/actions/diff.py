"""Compare two versions on the same rows: how often they differ, where, and how long each takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.deployment import find_version
from mlsandbox.actions.diff_asking import ask_both, hidden_columns
from mlsandbox.actions.diff_rows import RowsToAsk, Since, rows_of_file, rows_of_logs
from mlsandbox.actions.outcomes import Report
from mlsandbox.atomic import write_atomic
from mlsandbox.comparing.comparison import Comparison, Side, compare, with_limit
from mlsandbox.errors import NothingCompared, UsageError, VersionsDiffer
from mlsandbox.packaging.admission import admit
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.setting_kinds import parse_seconds
from mlsandbox_serving.contract import PackageFile

MOST_ROWS: Final = 50_000
"""Rows that both are asked about, unless more or fewer are asked for."""


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """What to compare, as it was written.

    Args:
        old: the version that is compared with: "v1".
        new: the other one.
        model: its name; None: the first.
        data: file of rows.
        since: in place of it logged requests, not older than this: "24h".
        most: rows.
        limit: share of rows that may differ: "2%".
        rtol: how far numbers may be apart to be the same, as a part of the first: "1%"; None: as the packages say.
        trust: load the models even if they use code outside the allow-list.
    """

    old: str
    new: str
    model: str | None = None
    data: Path | None = None
    since: str | None = None
    most: int = MOST_ROWS
    limit: str | None = None
    rtol: str | None = None
    trust: bool = False


def diff(project: Project, options: DiffOptions, *, report: Report) -> Comparison:
    """Compare two versions; nothing has to run but, for logged requests, what stores them.

    Raises:
        UsageError: the options make no sense.
        VersionUnknown: there is no such version.
        InputUnreadable, InputUnfit: the file cannot be read, or has not what both versions take.
        NothingLogged, EventLogUnreadable, NotRunning: there are no logged requests to ask again.
        PackageTampered, UntrustedModel, PackagingFailed, ReplayUnable, …: one of the versions cannot be asked.
        NothingCompared: there is a limit, and both refuse every row.
    """
    meant = understood(project, options)
    rows = rows_for(project, meant.old, meant.new, options, report.note)
    asked = compared(project, meant.old, meant.new, rows, trust=options.trust, rtol=meant.rtol, report=report)
    if meant.limit is not None and not asked.rows:
        raise _nothing_compared(asked)
    return with_limit(asked, meant.limit)


@dataclass(frozen=True, slots=True)
class Understood:
    """What options mean: both packages, the share of rows that may differ, and how far numbers may be apart."""

    old: Package
    new: Package
    limit: float | None
    rtol: float | None


def understood(project: Project, options: DiffOptions) -> Understood:
    """Both packages and the numbers that options mean; raises what `diff` says of these."""
    model = _model(project, options)
    limit = None if options.limit is None else parse_share(options.limit, "--fail-over")
    rtol = None if options.rtol is None else parse_share(options.rtol, "--tolerance")
    old, new = (find_version(project.root, model, version) for version in (options.old, options.new))
    return Understood(old, new, limit, rtol)


def rows_for(project: Project, old: Package, new: Package, options: DiffOptions, note: Callable[[str], None] = lambda _: None) -> RowsToAsk:
    """The rows that the options mean; raises what `diff` says of rows."""
    schemas = schema_of(old), schema_of(new)
    if options.data is not None:
        return rows_of_file(options.data, old, new, schemas, options.most, report=note)
    words = options.since or ""
    begin = max(time.time() - _seconds(words), 0.0)
    return rows_of_logs(project, old.model, Since(begin, words), schemas, options.most)


def compared(
    project: Project, old: Package, new: Package, rows: RowsToAsk, *, trust: bool, rtol: float | None, report: Report
) -> Comparison:
    """Ask two packages of one model about the same rows; raises what `diff` says of versions."""
    admit_both(project, old, new, trust=trust)
    config = project.models[old.model]
    began = time.monotonic()
    report.step(f"Asking {old.version} and {new.version} about {len(rows.old):,} rows")
    asked = ask_both(old, new, rows, rtol=rtol, report=report)
    report.done(f"Asked {old.version} and {new.version} about {len(rows.old):,} rows", seconds=time.monotonic() - began)
    report.step("Comparing their answers")
    before, after = (Side(each.version, each.digest, schema_of(each), hidden_columns(each)) for each in (old, new))
    return compare(old.model, before, after, asked, hidden={*config.private, *config.hashed})


def admit_both(project: Project, old: Package, new: Package, *, trust: bool) -> None:
    """Prove that two packages are what was packaged, and may be loaded; raises PackageTampered or UntrustedModel."""
    config = project.models[old.model]
    for package in (old, new):
        admit(package, replace(config, trust=config.trust or trust))


def too_different(result: Comparison) -> VersionsDiffer:
    """The error for two versions that differ in more rows than was allowed."""
    where = "; ".join(f"{each.text}: {each.rate:.1%} of {each.rows:,} rows" for each in result.segments[:3])
    # So far that the one is seen to be over the other.
    rate, limit = (f"{(value or 0.0) * 100:.6g}%" for value in (result.rate, result.limit))
    return VersionsDiffer(
        f"{result.old.version} and {result.new.version} of {result.model} differ in {rate} of rows, and {limit} may",
        why=f"Most where {where}." if where else "",
        fix="see which rows: leave --fail-over out, or write a page: sandbox diff V1 V2 --data FILE --html diff.html",
        details={"rows": result.rows, "differing": result.differing, "rate": result.rate, "limit": result.limit},
    )


def write_report(file: Path, page: str) -> None:
    """Write the comparison as a page."""
    write_atomic(file.absolute(), page.encode(), durable=False)


def refuse_unwritable(file: Path, data: Path | None) -> None:
    """Refuse a page that can have no file, or the file of the rows, before anything is asked.

    Raises:
        UsageError: it is a folder, its folder is not there, or its file is that of the rows.
    """
    if data is not None and data.exists() and file.exists() and file.samefile(data):
        why = "The page would take the place of the rows that are asked about."
        raise UsageError(f"{file} is the file of --data", why=why, fix="name another: sandbox diff V1 V2 --data FILE --html diff.html")
    if file.is_dir() or not file.absolute().parent.is_dir():
        why = "It is a folder." if file.is_dir() else f"There is no folder {file.absolute().parent}."
        raise UsageError(f"{file} cannot be written", why=why, fix="name a file: sandbox diff V1 V2 --data FILE --html diff.html")


def schema_of(package: Package) -> Mapping[str, Any]:
    """schema.json of a package."""
    found: Mapping[str, Any] = json.loads((package.source / PackageFile.SCHEMA).read_text(encoding="utf-8"))
    return found


def parse_share(text: str, option: str) -> float:
    """A share from 0 to 1, written as "2%": without the sign nobody could say whether 0.5 is a half.

    Raises:
        UsageError: it is none.
    """
    number, sign, rest = text.strip().partition("%")
    try:
        share = float(number) / 100 if sign and not rest else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"{option} is a share such as 2%, not {text!r}", fix=f"write it as in: sandbox diff V1 V2 --data FILE {option} 2%")
    return share


def _nothing_compared(result: Comparison) -> NothingCompared:
    first, old = result.both_errors[0], result.old.version
    return NothingCompared(
        f"{old} and {result.new.version} of {result.model} both refuse each of the rows of {result.source}",
        why=f"No share of rows is known. {old} says of row {first.first}, counted {result.counted}: {first.message}",
        fix="give rows that they take: sandbox diff V1 V2 --data FILE",
        details={"rows_refused_by_both": result.neither, "errors_of_both": [asdict(each) for each in result.both_errors]},
    )


def _model(project: Project, options: DiffOptions) -> str:
    if options.model is not None and options.model not in project.models:
        raise UsageError(
            f"there is no model {options.model}",
            why=f"Models: {', '.join(project.models)}.",
            fix="name one: sandbox diff V1 V2 --model NAME",
        )
    if (options.data is None) == (options.since is None):
        raise UsageError(
            "rows to compare on are needed, of one kind",
            fix=f"name a file or a time: sandbox diff {options.old} {options.new} --data FILE   or: --from-logs 24h",
        )
    return options.model or next(iter(project.models))


def _seconds(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as problem:
        raise UsageError(f"--from-logs {problem}", fix="write it as in: sandbox diff V1 V2 --from-logs 24h") from problem
