"""`sandbox show`."""

from __future__ import annotations

from mlsandbox.actions.show_version import compare_versions, show_version
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, Version, VersionOrNone
from mlsandbox.views.versions import differences_text, version_text

EXAMPLES = "$ sandbox show v2\n$ sandbox show v1 v2"


def command(session: Session, *, version: Version, other: VersionOrNone = None, model: Model = None) -> None:
    """Of one version everything that is known; of two what is different in the second: parameters, lock, schema, metrics, data, code.

    How two versions answer the same rows is another question: sandbox diff.
    """
    if other is None:
        info = show_version(session.root(), version, model)
        _warn(session, info.warnings)
        session.output.result("VersionInfo", info, version_text(info, session.output.out))
        return
    found = compare_versions(session.root(), version, other, model)
    _warn(session, found.warnings)
    session.output.result("VersionDifferences", found, differences_text(found, session.output.out))


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.output.warning(warning)
