"""Make drift on purpose: real rows with one column changed go to the project's own endpoint, to see that it is noticed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlsandbox.actions.drift import drift_port
from mlsandbox.actions.drift_rows import known_rows
from mlsandbox.actions.drift_send import Dose, Injection, check_dose, planned, send
from mlsandbox.actions.drift_shift import change_of, parse_shift
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.predict import BATCH_ROWS, served_package
from mlsandbox.actions.sight import Sight, endpoint_of
from mlsandbox.drift_status import DriftReport, drift_report
from mlsandbox.endpoint import Endpoint
from mlsandbox.errors import UsageError
from mlsandbox.project import Project
from mlsandbox.secrets import api_key
from mlsandbox.setting_kinds import parse_seconds
from mlsandbox.settings import ModelConfig
from mlsandbox_serving.contract import Origin

_EXAMPLE = "sandbox drift inject --column NAME --shift 1sd"


@dataclass(frozen=True, slots=True)
class InjectOptions:
    """What to inject.

    Args:
        model: its name; None: the first.
        column: its name.
        shift: as written, "1sd".
        duration: how long, as written, "30s".
        rate: rows per second.
    """

    model: str | None
    column: str
    shift: str
    duration: str
    rate: int


def inject_drift(
    project: Project, sight: Sight, options: InjectOptions, *, timeout: float | None, dry_run: bool, report: Report
) -> Injection:
    """Send the rows, and say what became of them.

    Args:
        project: whose model is meant.
        sight: of its stack.
        options: what.
        timeout: seconds for one answer; None: the default.
        dry_run: send nothing.
        report: told how far it came.

    Raises:
        UsageError: that cannot be injected, or would do harm; says why.
        NotRunning: the stack, or its drift service, does not run.
        PredictionFailed: the endpoint takes none of these rows, or fails.
        InputUnreadable: there are no rows, or they cannot be read.
    """
    shift = parse_shift(options.shift)
    url = endpoint_of(sight, options.model)
    config = project.models[options.model or next(iter(project.models))]
    dose = check_dose(options.rate, _seconds(options.duration), min(BATCH_ROWS, config.serving.max_rows, project.log.max_rows_per_event))
    watched = drift_report(drift_port(sight))
    package = served_package(project, config.name, sight.remembered.served.get(config.name))
    _refuse_while_learning(watched, config.name, package.version)
    with Endpoint(url, timeout=timeout, origin=Origin.INJECTED, key=api_key(project.state_dir, os.environ)) as endpoint:
        schema = endpoint.schema()
        column = _column(schema, options.column, config)
        refuse_uncompared(watched, config.name, package.version, options.column)
        known = known_rows(config, package, schema, sight.remembered.examples)
        change = change_of(shift, column, known.rows)
        for warning in _warnings(project, config, options.column, few=known.is_few, rows=len(known.rows)):
            report.warn(warning)
        if dry_run:
            return planned(known, options.column, dose, shift=options.shift, model=config.name, version=package.version)
        report.step(f"Sending {_amount(dose)} to {url}")
        done = send(endpoint, known, options.column, change, dose, shift=options.shift, model=config.name, report=report)
    report.done(f"Sent {done.sent:,} rows to {url}", seconds=done.elapsed)
    return replace(done, link=sight.links.get("drift"))


def _seconds(duration: str) -> float:
    try:
        return parse_seconds(duration)
    except ValueError as problem:
        raise UsageError(f"--for {problem}", fix=f"write it as in: {_EXAMPLE} --for 30s") from problem


def _amount(dose: Dose) -> str:
    return f"{dose.rows:,} rows, {dose.rate:,} a second,"


def _column(schema: Mapping[str, Any], name: str, config: ModelConfig) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = next((each for each in schema["columns"] if each["name"] == name), None)
    names = [str(each["name"]) for each in schema["columns"] if each["name"] not in config.private]
    shown = ", ".join(names[:12]) + (f", and {len(names) - 12} more" if len(names) > 12 else "")
    if found is None:
        raise UsageError(f"{config.name} has no column {name!r}", why=f"It has {shown}.", fix=f"choose one of them: {_EXAMPLE}")
    if name in config.private:
        raise UsageError(
            f"column {name!r} is private: it is never logged, so nobody would see its drift",
            why=f"Others are {shown}.",
            fix=f"choose another one: {_EXAMPLE}",
        )
    return found


def _refuse_while_learning(watched: DriftReport, model: str, version: str) -> None:
    """Injected rows must not become what everything is compared with."""
    left = next((each.rows_to_learn for each in watched.models if (each.model, each.version) == (model, version)), 0)
    if left:
        raise UsageError(
            f"{model} {version} has no reference yet, and injected rows would become it",
            why=f"{left:,} live rows are still to come before anything is compared.",
            fix="send ordinary rows first: sandbox predict --data FILE",
        )


def refuse_uncompared(watched: DriftReport, model: str, version: str, column: str) -> None:
    """Refuse a column that is not compared (pure); a hashed one is another matter, which is warned of.

    Raises:
        UsageError: nobody would see its drift; says why.
    """
    why = next((each.left_out.get(column) for each in watched.models if (each.model, each.version) == (model, version)), None)
    if why is not None and not why.startswith("hashed"):
        raise UsageError(
            f"column {column!r} is not compared, so nobody would see its drift", why=f"{why}.", fix=f"choose another one: {_EXAMPLE}"
        )


def _warnings(project: Project, config: ModelConfig, column: str, *, few: bool, rows: int) -> list[str]:
    found = []
    if few:
        found.append(f"only {rows} rows of {config.name} are known here: drawn from them, other columns will look changed too")
    if not project.log.inputs:
        found.append("[log] inputs is false: inputs are not logged, so drift shows only in what the model answers")
    elif column in config.hashed:
        found.append(f"column {column!r} is logged as a hash, and compared only where live rows became the reference, as other values")
    return found
