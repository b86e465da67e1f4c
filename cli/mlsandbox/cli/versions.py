"""`sandbox versions`."""

from __future__ import annotations

from mlsandbox.actions.versions import versions
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model
from mlsandbox.views.versions import versions_text

EXAMPLES = "$ sandbox versions\n$ sandbox versions --model churn -o json"


def command(session: Session, *, model: Model = None) -> None:
    """The newest first, with its digest, what it does and since when; whether or not anything runs."""
    result = versions(session.root(), model)
    for warning in result.warnings:
        session.output.warning(warning)
    session.output.result("VersionList", result, versions_text(result, session.output.out))
