"""`sandbox replay`."""

from __future__ import annotations

import random
from typing import Annotated

import typer

from mlsandbox.actions.replay import Wanted, replay
from mlsandbox.actions.replay_compare import Verdict
from mlsandbox.actions.replay_plan import planned_replay
from mlsandbox.cli.session import Session
from mlsandbox.cli.since import moment_of
from mlsandbox.errors import Exit, UsageError
from mlsandbox.views.dry_run import dry_run_text
from mlsandbox.views.replay import replay_text

EXAMPLES = """\
$ sandbox replay 3f6c0e2b9d8d4c1f
$ sandbox replay --since 1h
$ sandbox replay --since 7d --sample 500 --strict -o json"""


def command(
    session: Session,
    *,
    identity: Annotated[str | None, typer.Argument(metavar="REQUEST_ID", help="This request alone.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help='Not older than this, such as "1h".')] = None,
    sample: Annotated[int | None, typer.Option("--sample", metavar="N", min=1, help="So many of all that fit, at random.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="SEED", help="Take the same sample again.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Answers of this model alone.")] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="VERSION", help="Answers of this version alone.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many, the newest.")] = 1_000,
    strict: Annotated[bool, typer.Option("--strict", help="What cannot be replayed, or has no digest, counts as different.")] = False,
) -> Exit:
    """Each on the package that answered, in an environment of its lock. Ends with 3 when an answer differs or an event was changed."""
    if seed is not None and sample is None:
        raise UsageError("--seed is of a sample", fix="say how many: sandbox replay --sample 500 --seed 1")
    chosen = random.randrange(2**32) if seed is None else seed  # noqa: S311 - nothing secret
    wanted = Wanted(identity, moment_of(since, example="write it as in: sandbox replay --since 1h"), model, version, limit, sample, chosen)
    if session.options.dry_run:
        plan = planned_replay(session.root(), wanted, session.report.step)
        session.close()
        session.output.result("ReplayPlan", plan, dry_run_text("replay", plan.plan))
        return Exit.OK
    result = replay(session.root(), wanted, session.report.step)
    session.close()
    session.output.result("Replay", result, replay_text(result, session.output.out))
    cannot = result.counts[Verdict.CANNOT]
    if cannot and not strict:
        session.output.warning(f"{cannot:,} of {result.events:,} could not be replayed: not shown to be equal")
    return Exit.BAD_FINDING if result.is_bad or (strict and (cannot or result.unsealed)) else Exit.OK
