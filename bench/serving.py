"""This service beside what somebody would take instead: requests a second, latency, memory and start, by turns, in one command.

    python bench/serving.py                    # everything: about 25 minutes on two idle cores
    python bench/serving.py --acceptance       # this service with everything on and off, bare BentoML and FastAPI: about 9
    python bench/serving.py --quick            # one short round of one row, to see that it works
    python bench/serving.py --markdown docs/performance.md

Every peer has an environment of its own (serving/requirements) with the same scikit-learn, numpy and pandas, loads the same file, is
written as its documentation writes it (serving/servers), and has one worker. Each is asked for different rows first and must answer what
the model says. Then wrk asks, for some seconds over each number of connections. A round starts one service after the other, each round in
another order, so that all of them meet the same hours of the machine; ratios are those of the same round, told are medians.

This service runs as `sandbox up` runs it, with metrics, every event shipped to the log store and to the drift service (the native
engine); "everything off" is the same bento without a spool and with measures that do nothing. It answers labels alone, as the peers do
([models.NAME] output = "predict"); what probabilities cost besides is a row of its own. Before each measurement earlier events are
delivered; when that takes longer than 20 s the table says so.

Pinned (default where there are two cores and `taskset`): the service, all of its processes, has the first core; wrk, shipper, log store
and drift service have the others. So a service cannot use a second core, nor is it robbed of its own by the load or by what takes in its
events, and wrk shares its core with the latter, which can only lessen our figures. With `--unpinned` everything shares all cores.

Requests of 10,000 rows are asked over 1 and 8 connections unless `--connections` says otherwise: more of them only wait in line.
Needs wrk (`apt install wrk`), Linux, and a package index or a filled cache of uv the first time.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "serving"))

import wrk  # noqa: E402  # the parts of this command
from measuring import MANY_ROWS, Plan, run  # noqa: E402
from own import OWN  # noqa: E402
from peers import PEERS  # noqa: E402
from processes import Placement, apart  # noqa: E402
from report import report, write  # noqa: E402
from services import Service  # noqa: E402
from workloads import MODELS  # noqa: E402

SERVICES: tuple[Service, ...] = (*OWN, *PEERS)
ALL = [service.name for service in SERVICES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", nargs="+", choices=ALL, metavar="NAME", help=f"of {', '.join(ALL)} (default: all)")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), help="(default: all)")
    parser.add_argument("--rows", nargs="+", type=int, help="in a request (default 1 100 10000)")
    parser.add_argument("--connections", nargs="+", type=int, help="open at once (default 1 8 32)")
    parser.add_argument("--encodings", nargs="+", choices=["json", "binary"], help="(default: both)")
    parser.add_argument(
        "--seconds", type=float, help="of each measurement, more where answers are slow (default 0.6, with --acceptance 0.8)"
    )
    parser.add_argument("--rounds", type=int, help="of everything (default 3)")
    parser.add_argument("--acceptance", action="store_true", help="what the aims need, no more: four services, JSON, 1 and 32 connections")
    parser.add_argument("--quick", action="store_true", help="one round of one row, half a second each, 1 and 32 connections")
    parser.add_argument("--unpinned", action="store_true", help="let everything share all cores")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables between the markers of this page")
    parser.add_argument("--note", default="", help="about the machine, for the page: who else was at work")
    options = parser.parse_args()
    wrk.require()
    signal.signal(signal.SIGTERM, _terminated)  # as an interrupt: whatever runs is ended on the way out
    busy = os.getloadavg()[0]
    plan = planned(options)
    if plan.placement.rest is not None:
        os.sched_setaffinity(0, plan.placement.rest)  # inherited by wrk
    with tempfile.TemporaryDirectory(prefix="bench-serving-", ignore_cleanup_errors=True) as folder:
        results = run(plan, Path(folder))
    command = shlex.join(["bench/serving.py", *without_page(sys.argv[1:])])
    text = report(plan, results, command=command, busy=busy, note=options.note)
    print(f"\n{text}")
    if options.markdown:
        write(options.markdown, text)


def planned(options: argparse.Namespace) -> Plan:
    """What the arguments ask for; those that are given win over --quick, and --quick over --acceptance."""
    defaults: dict[str, Any] = {"services": ALL, "rows": [1, 100, MANY_ROWS], "encodings": ["json", "binary"], "seconds": 0.6, "rounds": 3}
    connections, with_many_rows = [1, 8, 32], [1, 8]
    if options.acceptance:
        defaults |= {"services": ["on", "probabilities", "off", "bentoml", "fastapi"], "encodings": ["json"], "seconds": 0.8}
        connections, with_many_rows = [1, 32], [1]
    if options.quick:
        defaults |= {"rows": [1], "seconds": 0.5, "rounds": 1}
        connections = [1, 32]
    chosen = {name: default if getattr(options, name) is None else getattr(options, name) for name, default in defaults.items()}
    if options.connections:
        connections = with_many_rows = options.connections
    return Plan(
        services=[service for service in SERVICES if service.name in chosen["services"]],
        models=options.models,
        rows=chosen["rows"],
        connections={rows: with_many_rows if rows >= MANY_ROWS else connections for rows in chosen["rows"]},
        encodings=chosen["encodings"],
        seconds=chosen["seconds"],
        rounds=chosen["rounds"],
        placement=Placement() if options.unpinned else apart(),
    )


def without_page(arguments: list[str]) -> list[str]:
    """The arguments that say what was measured."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in {"--markdown", "--note"}:
            next(words, None)
        elif not word.startswith(("--markdown=", "--note=")):
            kept.append(word)
    return kept


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
