"""Versions: which answers, which did, and what they say."""

from __future__ import annotations

from mlsandbox.errors.base import Exit, SandboxError


class VersionUnknown(SandboxError):
    """There is no such version of a model."""

    code = "VERSION_UNKNOWN"
    exit = Exit.USAGE


class VersionInUse(SandboxError):
    """A version cannot be used for this, or removed, because of what it does now."""

    code = "VERSION_IN_USE"
    exit = Exit.USAGE


class NothingBefore(SandboxError):
    """There is no version to roll back to."""

    code = "NOTHING_BEFORE"


class GateRefused(SandboxError):
    """A version was not promoted: it is not as good as the gate demands."""

    code = "GATE_REFUSED"
    exit = Exit.BAD_FINDING


class GateInvalid(SandboxError):
    """The file of a gate cannot be used."""

    code = "GATE_INVALID"
    exit = Exit.USAGE


class LedgerBroken(SandboxError):
    """The ledger was changed by something else than the tool; `details` holds the lines."""

    code = "LEDGER_BROKEN"
    exit = Exit.BAD_FINDING


class LedgerUnwritable(SandboxError):
    """The ledger takes no entry; the message says whether what should have been recorded was done."""

    code = "LEDGER_UNWRITABLE"


class ReplayUnable(SandboxError):
    """A package's model cannot be asked again here."""

    code = "REPLAY_UNABLE"


class NothingLogged(SandboxError):
    """No logged request fits what was asked for."""

    code = "NOTHING_LOGGED"


class VersionsDiffer(SandboxError):
    """Two versions disagree more often than was allowed."""

    code = "VERSIONS_DIFFER"
    exit = Exit.BAD_FINDING


class SwitchFailed(SandboxError):
    """Traffic could not be moved to another version; the one before goes on."""

    code = "SWITCH_FAILED"
